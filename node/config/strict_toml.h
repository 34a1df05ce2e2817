// Reads TOML so that nothing is ignored: every key is asked for by name, and what nobody asked for
// refuses the whole file. Errors name file, line, the word and the words allowed.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

// One table of a file. The first error sticks; `finish` returns it, or the first unknown key.
class StrictTable {
 public:
  StrictTable(const toml::table& table, std::string file, std::string path, ErrorCode code)
      : table_(&table), file_(std::move(file)), path_(std::move(path)), code_(code) {}

  std::string text(std::string_view key, std::optional<std::string> fallback = {});
  double number(std::string_view key, std::optional<double> fallback = {});
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most,
                       std::optional<std::int64_t> fallback = {});
  bool boolean(std::string_view key, bool fallback);
  Duration duration(std::string_view key, std::optional<Duration> fallback = {});
  std::optional<Instant> instant(std::string_view key);
  std::vector<std::string> texts(std::string_view key);
  // Null when absent.
  const toml::table* table(std::string_view key);
  const toml::array* array(std::string_view key);
  bool has(std::string_view key) const { return table_->contains(key); }

  // Records an error at this key; the first one stays.
  void fail(std::string_view key, const std::string& what);
  // The same at one element of a list, which may stand on a line of its own.
  void fail_in(std::string_view key, std::size_t index, const std::string& what);
  // Takes over an error of an inner table.
  void adopt(Error error) {
    if (!error_) error_ = std::move(error);
  }
  bool failed() const { return error_.has_value(); }
  Outcome finish();

  std::string place(std::string_view key) const;  // "city.toml:12, export.air.tick"
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }

 private:
  const toml::node* take(std::string_view key, bool required);

  const toml::table* table_;
  std::string file_;
  std::string path_;
  ErrorCode code_;
  std::set<std::string, std::less<>> asked_;
  std::optional<Error> error_;
};

// Parses text; refuses with file, line and column of the syntax error.
[[nodiscard]] Result<toml::table> parse_toml(std::string_view text, const std::string& file,
                                             ErrorCode code);
// Reads and parses; refuses: not_found.
[[nodiscard]] Result<toml::table> load_toml(const std::string& path);

// The keys of an inline table in the order in which they are written.
std::vector<std::string> keys_as_written(const toml::table& table);

}  // namespace entente::node
