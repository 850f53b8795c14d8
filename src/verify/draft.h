// A request while it is made: texts are put where a preset reads them, and expressions are evaluated over what is there
// already. Internal to the room.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "provider/context.h"
#include "provider/provider.h"
#include "verify/sign.h"

namespace hookstream::verify {

// The value that an expression reads first, when it is one that can be put into a request: a header, a query parameter,
// a form's field, a value of the body's JSON. nullptr: it reads something else.
const provider::Value* Place(const provider::Expression& expression);
bool IsPlace(const provider::Value& value);

class Draft {
 public:
  // All outlive the draft.
  Draft(const provider::Provider& provider, const SignInput& input, const Params& params);

  // Puts the text where `place` is read; what is there already is replaced, the rest of the body keeps its bytes.
  // `number`: a place in JSON gets it without quotes. `item`: which one of a body that is split.
  // INVALID_ARGUMENT: the body has no such place and none can be added.
  absl::Status Put(const provider::Value& place, std::string_view text, bool number = false,
                   std::optional<size_t> item = std::nullopt);
  void SetHeader(std::string_view name, std::string_view value);
  bool HasHeader(std::string_view name) const;

  // Calls `use` with a context over the request as it is now; `item`: which item of a split body is selected in it.
  template <typename Use>
  auto With(Use use, std::optional<size_t> item = std::nullopt) const {
    std::vector<provider::HeaderView> headers;
    for (const auto& [name, value] : request_.headers) headers.push_back({name, value});
    provider::Request view;
    view.method = request_.method;
    std::tie(view.public_url, view.target) = SplitUrl(request_.url);
    view.headers = headers;
    view.body = request_.body;
    provider::Context context(view, provider_.content);
    context.bindings().secrets = &params_;
    if (item && context.Split(provider_.events.front().split) == provider::SplitResult::kItems &&
        *item < context.ItemCount()) {
      context.SelectItem(item);
    }
    return use(context);
  }

  std::optional<std::string> Text(const provider::Expression& expression) const;
  bool Holds(const provider::Condition& condition) const;
  // How many items the body is split into. INVALID_ARGUMENT: none, or it is no list.
  absl::StatusOr<size_t> CountItems() const;

  const SignedRequest& request() const { return request_; }
  SignedRequest Take() && { return std::move(request_); }

 private:
  absl::Status PutJson(const provider::Value& place, std::string_view text, bool number, std::optional<size_t> item);

  const provider::Provider& provider_;
  const Params& params_;
  SignedRequest request_;
};

}  // namespace hookstream::verify
