#include "node/cli/session.h"

#include <boost/json.hpp>
#include <charconv>
#include <istream>
#include <ostream>

#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/cli/terminal_text.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;

bool has_environment(const Streams& streams, const std::string& name) {
  if (!streams.environment) return false;
  const auto value = streams.environment(name);
  return value.has_value() && !value->empty();
}

}  // namespace

Session::Session(Arguments arguments, Streams& streams, const LocalCommands& local)
    : arguments_(std::move(arguments)),
      streams_(streams),
      local_(local),
      home_(home_folder(value("home"), streams)),
      colour_(!flag("no-color") && !has_environment(streams, "NO_COLOR")),
      renderer_({format_from_text(value("output")).value_or(Format::table),
                 colour_ && streams.out_is_terminal}) {
  colour_ = colour_ && streams.err_is_terminal;
}
Session::~Session() = default;

const std::vector<std::string>& Session::values(std::string_view name) const {
  static const std::vector<std::string> none;
  const auto found = arguments_.values.find(name);
  return found == arguments_.values.end() ? none : found->second;
}

std::string Session::value(std::string_view name) const {
  const auto& all = values(name);
  return all.empty() ? std::string() : all.front();
}

bool Session::flag(std::string_view name) const {
  const auto found = arguments_.flags.find(name);
  return found != arguments_.flags.end() && found->second;
}

Result<Duration> Session::timeout() const {
  const std::string text = value("timeout");
  if (text.empty()) return limits::kCliTimeout;
  auto duration = parse_duration(text);
  if (!duration || duration->ns <= 0) {
    return make_error(ErrorCode::invalid_argument, "--timeout '" + text + "' is no length of time",
                      "write a whole number and a unit, like 30s or 2m");
  }
  return duration;
}

Result<std::uint64_t> Session::number(std::string_view name, std::uint64_t otherwise,
                                      std::uint64_t most) const {
  const std::string text = value(name);
  if (text.empty()) return otherwise;
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || number > most) {
    return make_error(ErrorCode::invalid_argument, "--" + std::string(name) + " '" + text +
                                                       "' is not a whole number from 0 to " +
                                                       std::to_string(most));
  }
  return number;
}

Result<HttpClient*> Session::client() {
  if (client_ != nullptr) return client_.get();
  const auto given = streams_.environment ? streams_.environment("ENTENTE_TOKEN") : std::nullopt;
  auto endpoint = endpoint_of(home_, given.value_or(""));
  if (!endpoint) return std::move(endpoint).error();
  auto wait = timeout();
  if (!wait) return std::move(wait).error();
  client_ = std::make_unique<HttpClient>(std::move(*endpoint), *wait + limits::kCliTimeoutSlack);
  return client_.get();
}

Result<json::value> Session::get(const std::string& target) {
  auto to = client();
  if (!to) return std::move(to).error();
  return (*to)->get(target);
}

Result<json::value> Session::post(std::string target, const json::value& body) {
  return post_text(std::move(target), json_text(body), "application/json");
}

Result<json::value> Session::post_text(std::string target, std::string body,
                                       std::string content_type) {
  auto to = client();
  if (!to) return std::move(to).error();
  HttpClient::Request request;
  request.method = "POST";
  request.target = std::move(target);
  if (dry_run()) {
    request.target += request.target.find('?') == std::string::npos ? "?dryRun=1" : "&dryRun=1";
  }
  request.body = std::move(body);
  request.content_type = std::move(content_type);
  auto got = (*to)->call(request);
  if (got && got->is_object() && got->get_object().contains("approval")) {
    const std::string id = text_of_field(*got, "approval");
    return make_error(ErrorCode::conflict,
                      "nothing is done yet: this step needs two persons, and the request " + id +
                          " waits for the second until " + text_of_field(*got, "expires"),
                      "have somebody else run 'entente approval approve " + id + "'");
  }
  return got;
}

void Session::show(const Output& output) {
  renderer_.print(streams_.out, output);
}

void Session::show(const LocalReport& report) {
  std::vector<std::pair<std::string, boost::json::value>> lines;
  for (const auto& member : report.data) lines.emplace_back(member.key(), member.value());
  show(Output{report.data, properties_table(std::move(lines)), "", true});
  for (const std::string& words : report.words) say(words);
}

void Session::say(std::string_view words) {
  if (!flag("quiet")) streams_.err << printable(words, LineFeeds::keep) << '\n';
}

void Session::say_table(const Table& table) {
  if (!flag("quiet")) Renderer({Format::table, colour_}).print_table(streams_.err, table);
}

bool Session::can_ask() const {
  return streams_.in_is_terminal && streams_.err_is_terminal && !flag("no-input");
}

Result<std::string> Session::ask_person(std::string_view question) {
  if (!can_ask()) {
    return make_error(ErrorCode::invalid_argument,
                      "this needs a confirmation and nobody can be asked",
                      "look at it with --dry-run, then add --yes");
  }
  streams_.err << printable(question, LineFeeds::keep) << ' ' << std::flush;
  std::string line;
  std::getline(streams_.in, line);
  return line;
}

Result<bool> Session::confirm(std::string_view question) {
  if (flag("yes") || dry_run()) return true;
  auto answer = ask_person(std::string(question) + " [y/N]");
  if (!answer) return std::move(answer).error();
  return *answer == "y" || *answer == "Y" || *answer == "yes";
}

Result<bool> Session::confirm_by_name(std::string_view question, std::string_view name) {
  if (flag("yes") || dry_run()) return true;
  auto answer = ask_person(std::string(question) + " Type '" + std::string(name) + "' to go on:");
  if (!answer) return std::move(answer).error();
  return *answer == name;
}

}  // namespace entente::node
