// Waiting in an HTTP handler for something that answers through a callback on the loop.
#pragma once

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

#include "federation/link/loop.h"
#include "schemas/base/result.h"

namespace entente::node {

// Calls `start(done)` and resumes with what `done(Result<T>)` was called with, once, on the loop.
template <class T, class Start>
boost::asio::awaitable<Result<T>> await_result(federation::Loop& loop, Start start) {
  using Shared = std::shared_ptr<Result<T>>;
  Shared outcome =
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Shared)>(
          [&loop, &start](auto&& handler) {
            using Waiter = std::decay_t<decltype(handler)>;
            auto kept = std::make_shared<Waiter>(std::move(handler));
            start([&loop, kept](Result<T> result) {
              auto shared = std::make_shared<Result<T>>(std::move(result));
              loop.post([kept, shared] { std::move (*kept)(shared); });
            });
          },
          boost::asio::use_awaitable);
  co_return std::move(*outcome);
}

}  // namespace entente::node
