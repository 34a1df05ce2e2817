// What the handlers about models share: reading a call's fields, and running on the models'
// workers.
#pragma once

#include <boost/json.hpp>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "federation/link/bridge.h"
#include "node/daemon/api_models.h"

namespace entente::node {

inline Error bad_field(std::string_view name, const char* must) {
  return make_error(ErrorCode::invalid_argument, std::string(name) + " must be " + must);
}

inline Result<Duration> length_of(std::string_view name, std::string_view text) {
  if (text.empty()) return Duration{};
  auto parsed = parse_duration(text);
  if (!parsed || parsed->ns <= 0) return bad_field(name, "a length of time, such as 24h");
  return *parsed;
}

// A body's list of texts; nothing when it is absent.
inline Result<std::vector<std::string>> texts_of(const Call& call, std::string_view name) {
  std::vector<std::string> all;
  const boost::json::object* body = call.json.if_object();
  const boost::json::value* given = body == nullptr ? nullptr : body->if_contains(name);
  if (given == nullptr || given->is_null()) return all;
  const boost::json::array* list = given->if_array();
  if (list == nullptr || list->size() > kModelSignals) return bad_field(name, "a list of texts");
  for (const boost::json::value& one : *list) {
    if (!one.is_string()) return bad_field(name, "a list of texts");
    all.emplace_back(one.get_string());
  }
  return all;
}

inline Result<std::optional<double>> number_of(const Call& call, std::string_view name) {
  const boost::json::object* body = call.json.if_object();
  const boost::json::value* given = body == nullptr ? nullptr : body->if_contains(name);
  if (given == nullptr || given->is_null()) return std::optional<double>{};
  if (!given->is_number()) return bad_field(name, "a number");
  return std::optional<double>{given->to_number<double>()};
}

inline Result<std::uint64_t> count_of(const Call& call, std::string_view name,
                                      std::uint64_t otherwise) {
  auto given = number_of(call, name);
  if (!given) return std::move(given).error();
  if (!*given) return otherwise;
  if (!(**given >= 0 && **given <= 9e15) || **given != std::floor(**given)) {
    return bad_field(name, "a whole number from 0");
  }
  return static_cast<std::uint64_t>(**given);
}

// What the handlers work with.
struct Desk {
  Core& core;
  const std::unique_ptr<ModelService>& models;
  ModelRegister& entries() const { return models->entries(); }
};

// Runs `job` on the models' workers, where it may take long without delaying a question; what it
// gives is the reply. Jobs are named before they are handed over: see on_worker.h.
template <class Job>
boost::asio::awaitable<Result<Reply>> replied(const Desk& desk, Job job) {
  using Got = std::shared_ptr<Result<boost::json::value>>;
  try {
    auto work = [job = std::move(job)]() mutable {
      return std::make_shared<Result<boost::json::value>>(job());
    };
    auto promise =
        federation::off_loop<Got>(desk.core.loop, desk.models->workers(), std::move(work));
    Got got = co_await federation::to_awaitable<Got>(desk.core.loop, kj::mv(promise));
    if (!*got) co_return std::move(*got).error();
    co_return Reply::json(**got);
  } catch (const kj::Exception& fault) {
    const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
    co_return make_error(busy ? ErrorCode::overloaded : ErrorCode::internal,
                         busy ? "too much is asked of the models" : fault.getDescription().cStr());
  }
}

}  // namespace entente::node
