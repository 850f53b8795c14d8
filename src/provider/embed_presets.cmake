# cmake -DOUT=table.cc "-DFILES=a.yaml;b.yaml" -P embed_presets.cmake: writes kPresetTable, sorted by name.
# Without their ending, which would sort "a.yaml" behind "a-b.yaml".
list(TRANSFORM FILES REPLACE "\\.yaml$" "")
list(SORT FILES)
set(text "// Made from src/provider/presets/*.yaml.\n#include \"provider/preset_table.h\"\n\n")
string(APPEND text "namespace hookstream::provider {\n\n")
string(APPEND text "const std::vector<PresetText>& PresetTable() {\n  static const std::vector<PresetText> kTable = {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file}.yaml yaml)
  string(APPEND text "      {\"${name}\", R\"preset(${yaml})preset\"},\n")
endforeach()
string(APPEND text "  };\n  return kTable;\n}\n\n}  // namespace hookstream::provider\n")
file(WRITE ${OUT} "${text}")
