// Outcomes as values. Spells like std::expected<T, Error>, which C++20 lacks, and may become it.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "schemas/base/check.h"
#include "schemas/base/error.h"

namespace entente {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  template <class U = T>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, Result> &&
           !std::is_same_v<std::decay_t<U>, Error>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // A wrong access is a bug and ends the process.
  T& value() & { return ENTENTE_CHECK(has_value()), std::get<0>(state_); }
  const T& value() const& { return ENTENTE_CHECK(has_value()), std::get<0>(state_); }
  T&& value() && { return ENTENTE_CHECK(has_value()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return ENTENTE_CHECK(!has_value()), std::get<1>(state_); }
  const Error& error() const& { return ENTENTE_CHECK(!has_value()), std::get<1>(state_); }
  Error&& error() && { return ENTENTE_CHECK(!has_value()), std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const { ENTENTE_CHECK(has_value()); }
  Error& error() & { return ENTENTE_CHECK(!has_value()), *error_; }
  const Error& error() const& { return ENTENTE_CHECK(!has_value()), *error_; }
  Error&& error() && { return ENTENTE_CHECK(!has_value()), *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Outcome = Result<void>;

}  // namespace entente
