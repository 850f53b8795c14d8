#include "cli/verbs.h"

#include "cli/verb_list.h"

namespace hookstream::cli {

void AddVerbs(CLI::App& app, int& exit_code) {
  AddSend(app, exit_code);
  AddListen(app, exit_code);
  AddVerify(app, exit_code);
  AddStatus(app, exit_code);
  AddSources(app, exit_code);
  AddSubscriptions(app, exit_code);
  AddEvents(app, exit_code);
  AddDeadLetters(app, exit_code);
  AddSchema(app, exit_code);
}

}  // namespace hookstream::cli
