#include "cli/learnt_keys.h"

#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/json.h"
#include "cli/verb_list.h"

namespace hookstream::cli {
namespace {

void List(const Common& common, const std::string& source) {
  const auto channel = Connect(common);
  const auto admin = v1::AdminService::NewStub(channel);
  v1::ListLearntKeysRequest request;
  request.set_source(source);
  const auto response = Call(common, *admin, &v1::AdminService::Stub::ListLearntKeys, request);
  JsonWriter json(channel);
  std::vector<std::vector<std::string>> rows = {{"ID", "LEARNT AT", "SECRET"}};
  for (const v1::LearntKey& key : response.keys()) {
    if (common.json()) std::cout << json.ToJson(key) << '\n';
    rows.push_back({key.id(), TimeText(key.learnt_at()), Printable(key.secret())});
  }
  if (!common.json()) PrintTable(rows);
}

void Forget(const Common& common, const std::string& source, const std::string& key_id) {
  const auto channel = Connect(common);
  const auto admin = v1::AdminService::NewStub(channel);
  v1::ForgetLearntKeyRequest request;
  request.set_source(source);
  request.set_key_id(key_id);
  Call(common, *admin, &v1::AdminService::Stub::ForgetLearntKey, request);
  if (!common.json()) std::cout << "forgotten: what it signs is refused from now on\n";
}

}  // namespace

void AddLearntKeys(CLI::App& group, int& exit_code) {
  struct State {
    Common common;
    std::string source;
    std::string key;
  };
  auto state = std::make_shared<State>();
  CLI::App* list = AddVerb(group, exit_code, "learnt-keys",
                           "Keys that the provider told in a handshake, with their secrets (Asana, Notion)",
                           "  hookstream sources learnt-keys notion", [state] { List(state->common, state->source); });
  list->add_option("source", state->source, "the source")->required();
  AddCommon(*list, state->common);
  CLI::App* forget = AddVerb(group, exit_code, "forget-key", "Take a learnt key away: it verifies nothing any more",
                             "  hookstream sources forget-key asana learnt-20261201T120000Z",
                             [state] { Forget(state->common, state->source, state->key); });
  forget->add_option("source", state->source, "the source")->required();
  forget->add_option("key", state->key, "the key's id, as `learnt-keys` lists it")->required();
  AddCommon(*forget, state->common);
}

}  // namespace hookstream::cli
