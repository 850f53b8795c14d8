#include "verify/handshake.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "verify/compare.h"

namespace hookstream::verify {
namespace {

using provider::Context;
using provider::JsonTemplate;

// False: something that the reply needs is not in the request.
bool Render(const JsonTemplate& json, Context& context, std::string& out) {
  switch (json.kind) {
    case JsonTemplate::Kind::kLiteral: out += json.literal; return true;
    case JsonTemplate::Kind::kText: {
      const auto text = json.text.Text(context);
      if (!text) return false;
      out += provider::JsonQuoted(*text);
      return true;
    }
    case JsonTemplate::Kind::kArray:
      out += '[';
      for (size_t i = 0; i < json.items.size(); ++i) {
        if (i > 0) out += ',';
        if (!Render(json.items[i], context, out)) return false;
      }
      out += ']';
      return true;
    case JsonTemplate::Kind::kObject:
      out += '{';
      for (size_t i = 0; i < json.items.size(); ++i) {
        if (i > 0) out += ',';
        out += provider::JsonQuoted(json.names[i]);
        out += ':';
        if (!Render(json.items[i], context, out)) return false;
      }
      out += '}';
      return true;
  }
  return false;
}

// What came in a query or a body must not end a header's line.
bool IsHeaderText(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
}

std::optional<HandshakeReply> Render(const provider::ReplyRule& rule, Context& context) {
  HandshakeReply reply;
  reply.status = rule.status;
  reply.content_type = rule.content_type;
  if (rule.text) {
    const auto text = rule.text->Text(context);
    if (!text) return std::nullopt;
    reply.body = *text;
  } else if (rule.json && !Render(*rule.json, context, reply.body)) {
    return std::nullopt;
  }
  for (const auto& [name, value] : rule.headers) {
    const auto text = value.Text(context);
    if (!text || !IsHeaderText(*text)) return std::nullopt;
    reply.headers.emplace_back(name, *text);
  }
  return reply;
}

HandshakeReply Status(int status) {
  HandshakeReply reply;
  reply.status = status;
  return reply;
}

bool Holds(const provider::TextMatch& match, Context& context) {
  const auto value = match.value.Text(context);
  return value && re2::RE2::FullMatch(re2::StringPiece(value->data(), value->size()), *match.pattern);
}

// False: the rule asks for it and the request does not have it.
bool FindText(const provider::Expression& expression, Context& context, std::string& out) {
  if (expression.empty()) return true;
  out = expression.NonEmptyText(context);
  return !out.empty();
}

}  // namespace

std::optional<Handshake> MatchHandshake(const Verifier& verifier, Context& context, HandshakePhase phase,
                                        std::string_view key_id, absl::Time now) {
  const bool verified = phase == HandshakePhase::kVerified;
  for (const provider::HandshakeRule& rule : verifier.provider().handshakes) {
    if (rule.verified != verified || !rule.when.Holds(context)) continue;
    const Context::Bindings before = context.bindings();
    context.bindings().secrets = &verifier.params();
    context.bindings().key = verifier.DecodedKey(key_id, now);
    const bool allowed = std::all_of(rule.require.begin(), rule.require.end(),
                                     [&](const provider::Requirement& r) { return verify::Holds(r, context); }) &&
                         std::all_of(rule.matches.begin(), rule.matches.end(),
                                     [&](const provider::TextMatch& m) { return Holds(m, context); });
    Handshake handshake;
    if (allowed) {
      auto reply = Render(rule.reply, context);
      const bool complete = FindText(rule.fetch, context, handshake.fetch_url) &&
                            FindText(rule.learn, context, handshake.learnt_key) &&
                            (!rule.fetch_match || re2::RE2::FullMatch(handshake.fetch_url, *rule.fetch_match));
      if (reply && complete) {
        handshake.reply = *std::move(reply);
        // The reply may repeat what the sender wrote: no browser is to take it for a page.
        handshake.reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
      } else {
        handshake = {Status(400), {}, {}};
      }
    } else {
      handshake.reply = Status(verified ? 401 : 403);
    }
    context.bindings() = before;
    return handshake;
  }
  return std::nullopt;
}

HandshakeReply RenderReply(const provider::ReplyRule& rule) {
  Context context = Context::OfNothing();
  // The loader has seen to it that the rule reads nothing.
  return Render(rule, context).value_or(Status(rule.status));
}

}  // namespace hookstream::verify
