// What the relay's two HTTP ports do with a request.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "edge/server.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"

namespace hookstream::edge {

// /webhooks/{source}. Holds the only table from an outcome to a status code.
class WebhookHandler final : public Handler {
 public:
  explicit WebhookHandler(ingest::Ingest& ingest) : ingest_(ingest) {}

  std::variant<Wanted, Response> Admit(const RequestHead& head) override;
  void Handle(const RequestHead& head, std::string body, Respond respond) override;

 private:
  ingest::Ingest& ingest_;
};

// What /readyz says: ready when no part is failing.
struct Health {
  struct Failing {
    std::string part;     // e.g. "store"
    std::string message;  // safe to show
  };
  std::vector<Failing> failing;

  bool Ready() const { return failing.empty(); }
};

// GET and HEAD of /metrics (Prometheus), /healthz (200 while the process lives), /readyz (200, or 503 with the
// reasons).
class AdminHandler final : public Handler {
 public:
  // `health` is called on the server's loops and must not block.
  AdminHandler(metrics::Registry& registry, std::function<Health()> health)
      : registry_(registry), health_(std::move(health)) {}

  std::variant<Wanted, Response> Admit(const RequestHead& head) override;
  void Handle(const RequestHead& head, std::string body, Respond respond) override;

 private:
  metrics::Registry& registry_;
  const std::function<Health()> health_;
};

}  // namespace hookstream::edge
