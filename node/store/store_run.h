// Store::run, apart because it needs <future>.
#pragma once

#include <future>

namespace entente::node {

template <class T>
Result<T> Store::run(std::function<Result<T>(Database&)> job, Settled<T> settled) {
  auto outcome = std::make_shared<std::optional<Result<T>>>();
  auto finished = std::make_shared<std::promise<Result<T>>>();
  auto result = finished->get_future();
  Job queued;
  queued.direct = true;
  queued.run = [job = std::move(job), outcome](Database& database) -> bool {
    outcome->emplace(job(database));
    return outcome->value().has_value();
  };
  if (settled) queued.settled = settling(std::move(settled), outcome);
  queued.report = [outcome, finished](const Error* failure) {
    finished->set_value(failure != nullptr ? Result<T>(*failure) : std::move(**outcome));
  };
  enqueue(std::move(queued));
  return result.get();
}

}  // namespace entente::node
