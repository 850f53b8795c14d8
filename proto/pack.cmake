# cmake -DOUT=protos.zst -DROOT=proto "-DFILES=a/b.proto;..." -P pack.cmake: the files' texts as one Zstandard frame:
# "PATH SIZE\n" and the text, one after the other, sorted by path.
list(SORT FILES)
set(packed ${OUT}.txt)
file(WRITE ${packed} "")
foreach(file IN LISTS FILES)
  file(SIZE ${ROOT}/${file} size)
  file(READ ${ROOT}/${file} text)
  file(APPEND ${packed} "${file} ${size}\n${text}")
endforeach()
file(ARCHIVE_CREATE OUTPUT ${OUT} PATHS ${packed} FORMAT raw COMPRESSION Zstd)
