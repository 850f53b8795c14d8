// Early return on a failed absl::Status or absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define HS_RETURN_IF_ERROR(expr)                                               \
  do {                                                                         \
    if (absl::Status hs_status_ = (expr); !hs_status_.ok()) return hs_status_; \
  } while (false)

// HS_ASSIGN_OR_RETURN(const auto value, Function());
#define HS_ASSIGN_OR_RETURN(lhs, expr) HS_ASSIGN_OR_RETURN_(HS_CONCAT_(hs_or_, __LINE__), lhs, expr)
#define HS_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                         \
  if (!tmp.ok()) return tmp.status();        \
  lhs = *std::move(tmp)
#define HS_CONCAT_(a, b) HS_CONCAT_INNER_(a, b)
#define HS_CONCAT_INNER_(a, b) a##b
