// One run of one command: its arguments, the node it calls, and the ways it speaks.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/cli/local_commands.h"
#include "node/cli/render.h"
#include "node/cli/streams.h"
#include "node/service/http_client.h"
#include "schemas/base/result.h"

namespace entente::node {

// The parsed words of a command: options and positionals by their long name without dashes.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, bool, std::less<>> flags;
};

class Session {
 public:
  Session(Arguments arguments, Streams& streams, const LocalCommands& local);
  ~Session();

  // Empty when not given.
  std::string value(std::string_view name) const;
  const std::vector<std::string>& values(std::string_view name) const;
  bool flag(std::string_view name) const;
  bool dry_run() const { return flag("dry-run"); }
  // Refuses (invalid_argument) with the option's name: no duration; no whole number within 0..most.
  [[nodiscard]] Result<Duration> timeout() const;
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t otherwise,
                                             std::uint64_t most) const;
  const std::string& home() const { return home_; }
  const LocalCommands& local() const { return local_; }
  Streams& streams() { return streams_; }
  Format format() const { return renderer_.format(); }
  bool for_people() const { return format() == Format::table; }
  bool colour() const { return colour_; }

  // The node's answers. `target` is encoded; ?dryRun=1 is added to writes under --dry-run.
  // A step that now waits for a second person is refused (conflict) with its request's id.
  [[nodiscard]] Result<boost::json::value> get(const std::string& target);
  [[nodiscard]] Result<boost::json::value> post(std::string target, const boost::json::value& body);
  [[nodiscard]] Result<boost::json::value> post_text(std::string target, std::string body,
                                                     std::string content_type);
  // The connection itself, for whoever sends much. Refuses as endpoint_of does.
  [[nodiscard]] Result<HttpClient*> client();

  // Data to standard output.
  void show(const Output& output);
  // The same as a list of properties, then its words.
  void show(const LocalReport& report);
  // A line on standard error, unless --quiet.
  void say(std::string_view words);
  // A table on standard error, unless --quiet.
  void say_table(const Table& table);
  // --yes, or a person who answers yes. Refuses (invalid_argument) when nobody can be asked; a
  // person's no is `false`.
  [[nodiscard]] Result<bool> confirm(std::string_view question);
  // The same for what cannot be undone: the person types `name`.
  [[nodiscard]] Result<bool> confirm_by_name(std::string_view question, std::string_view name);
  bool can_ask() const;

 private:
  Result<std::string> ask_person(std::string_view question);

  Arguments arguments_;
  Streams& streams_;
  const LocalCommands& local_;
  std::string home_;
  bool colour_ = false;
  Renderer renderer_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace entente::node
