// The only two bridges between KJ promises and Asio coroutines. Loop thread on both sides.
//
// Heavy: include it only where an HTTP or MQTT edge meets RPC.
#pragma once

#include <kj/async.h>

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>

#include "federation/link/loop.h"

namespace entente::federation {

namespace detail {

inline kj::Exception to_kj(const std::exception_ptr& fault) {
  try {
    std::rethrow_exception(fault);
  } catch (const kj::Exception& e) {
    return kj::cp(e);
  } catch (const std::exception& e) {
    return kj::Exception(kj::Exception::Type::FAILED, "bridge", 0, kj::heapString(e.what()));
  } catch (...) {
    return kj::Exception(kj::Exception::Type::FAILED, "bridge", 0, kj::heapString("unknown"));
  }
}

// Answers the coroutine once, through its executor, so that it never resumes inside a KJ event.
template <class Handler, class... Values>
void resume(Loop& loop, std::shared_ptr<Handler> handler, std::exception_ptr fault,
            Values... values) {
  auto executor = boost::asio::get_associated_executor(*handler, loop.io().get_executor());
  boost::asio::post(executor, [handler, fault, ... values = std::move(values)]() mutable {
    std::move (*handler)(fault, std::move(values)...);
  });
}

}  // namespace detail

// Awaits a KJ promise; a broken one throws its kj::Exception. T must be default-constructible (as
// Asio's completion signature asks); wrap others in std::optional or std::shared_ptr. A coroutine
// that is abandoned leaves the promise to run to its end.
template <class T>
boost::asio::awaitable<T> to_awaitable(Loop& loop, kj::Promise<T> promise) {
  auto shared = std::make_shared<kj::Promise<T>>(kj::mv(promise));
  if constexpr (std::is_void_v<T>) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                       void(std::exception_ptr)>(
        [&loop, shared](auto&& handler) {
          using Handler = std::decay_t<decltype(handler)>;
          auto h = std::make_shared<Handler>(std::move(handler));
          loop.keep(shared->then([&loop, h] { detail::resume(loop, h, nullptr); },
                                 [&loop, h](kj::Exception&& e) {
                                   detail::resume(loop, h, std::make_exception_ptr(kj::mv(e)));
                                 }));
        },
        boost::asio::use_awaitable);
  } else {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                       void(std::exception_ptr, T)>(
        [&loop, shared](auto&& handler) {
          using Handler = std::decay_t<decltype(handler)>;
          auto h = std::make_shared<Handler>(std::move(handler));
          loop.keep(shared->then(
              [&loop, h](T&& value) { detail::resume(loop, h, nullptr, T(kj::mv(value))); },
              [&loop, h](kj::Exception&& e) {
                detail::resume(loop, h, std::make_exception_ptr(kj::mv(e)), T{});
              }));
        },
        boost::asio::use_awaitable);
  }
}

// Starts a coroutine on the loop; its value or its exception settles the promise. Dropping the
// promise does not stop the coroutine.
template <class T>
kj::Promise<T> to_promise(Loop& loop, boost::asio::awaitable<T> work) {
  auto pair = kj::newPromiseAndFulfiller<T>();
  auto out = std::make_shared<kj::Own<kj::PromiseFulfiller<T>>>(kj::mv(pair.fulfiller));
  if constexpr (std::is_void_v<T>) {
    boost::asio::co_spawn(loop.io(), std::move(work), [out](std::exception_ptr fault) {
      if (fault) {
        (*out)->reject(detail::to_kj(fault));
      } else {
        (*out)->fulfill();
      }
    });
  } else {
    boost::asio::co_spawn(loop.io(), std::move(work), [out](std::exception_ptr fault, T value) {
      if (fault) {
        (*out)->reject(detail::to_kj(fault));
      } else {
        (*out)->fulfill(std::move(value));
      }
    });
  }
  return kj::mv(pair.promise);
}

}  // namespace entente::federation
