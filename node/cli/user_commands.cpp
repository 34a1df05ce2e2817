// Users with passwords, and logging in.
#include <sodium.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <istream>
#include <ostream>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

// Stops the terminal from showing what is typed.
class Unseen {
 public:
  explicit Unseen(bool terminal) : terminal_(terminal && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!terminal_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~Unseen() {
    if (terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Unseen(const Unseen&) = delete;

 private:
  termios before_{};
  bool terminal_;
};

// The first line of the file that an option names, or of standard input; a person is asked for it
// and does not see it.
Result<std::string> read_secret(Session& session, const std::string& what, const char* option) {
  Streams& streams = session.streams();
  std::string line;
  if (const std::string path = session.value(option); !path.empty()) {
    std::ifstream file(path);
    std::getline(file, line);
  } else {
    if (session.can_ask()) streams.err << what << ": " << std::flush;
    const Unseen unseen(streams.in_is_terminal);
    std::getline(streams.in, line);
    if (session.can_ask()) streams.err << '\n';
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (!line.empty()) return line;
  return make_error(ErrorCode::invalid_argument, "the " + what + " is missing",
                    "give it as the first line of standard input or of --" + std::string(option));
}

Result<int> show_fields(Session& session, Result<json::value> got,
                        const std::vector<const char*>& names, const std::string& words) {
  if (!got) return std::move(got).error();
  std::vector<std::pair<std::string, json::value>> rows;
  for (const char* name : names) rows.emplace_back(name, field(*got, name));
  Table table = properties_table(std::move(rows));
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  if (!words.empty()) session.say(session.dry_run() ? "Nothing was changed." : words);
  return 0;
}

std::string path_of(Session& session) {
  return "/api/v1/access/users/" + url_encoded(session.value("USER"));
}

Result<int> set_password(Session& session) {
  auto password = read_secret(session, "password", "password-file");
  if (!password) return std::move(password).error();
  auto got = session.post(path_of(session) + "/password", json::object{{"password", *password}});
  sodium_memzero(password->data(), password->size());
  return show_fields(session, std::move(got), {"user"}, "The password is set.");
}

Result<int> add_user(Session& session) {
  auto password = read_secret(session, "password", "password-file");
  if (!password) return std::move(password).error();
  json::object body{{"role", session.value("ROLE")}};
  if (const std::string life = session.value("for"); !life.empty()) body["for"] = life;
  auto given = session.post(path_of(session) + "/roles", body);
  if (!given) return std::move(given).error();
  if (session.dry_run()) return show_fields(session, std::move(given), {}, "Nothing was changed.");
  auto got = session.post(path_of(session) + "/password", json::object{{"password", *password}});
  sodium_memzero(password->data(), password->size());
  return show_fields(session, std::move(got), {"user"},
                     "They log in with 'entente login " + session.value("USER") + "'.");
}

Result<int> own_password(Session& session) {
  auto old = read_secret(session, "present password", "old-file");
  if (!old) return std::move(old).error();
  auto password = read_secret(session, "new password", "password-file");
  if (!password) return std::move(password).error();
  return show_fields(
      session,
      session.post("/api/v1/password", json::object{{"old", *old}, {"password", *password}}),
      {"user"}, "The password is changed.");
}

Result<int> list_users(Session& session) {
  auto got = session.get("/api/v1/access");
  if (!got) return std::move(got).error();
  Table table{{{"user", "user"},
               {"roles", "roles"},
               {"until", "until"},
               {"password", "password"},
               {"state", "state", Kind::state}},
              {}};
  for (const json::value& one : array_of_field(*got, "users")) {
    std::string roles, ends;
    for (const json::value& role : array_of_field(one, "roles")) {
      if (!role.is_string()) continue;
      roles += (roles.empty() ? "" : ", ") + std::string(std::string_view(role.get_string()));
    }
    if (const auto* until = field(one, "until").if_object()) {
      for (const auto& [role, end] : *until) {
        ends += (ends.empty() ? "" : ", ") + std::string(role) + " " +
                text_of_field(field(one, "until"), role);
      }
    }
    table.rows.push_back({field(one, "user"), json::value(roles), json::value(ends),
                          field(one, "password"), field(one, "state")});
  }
  session.show({object_of(std::move(*got)), std::move(table), "users", false});
  return 0;
}

Result<int> set_standing(Session& session, const char* step, const std::string& words) {
  auto got = session.post(path_of(session) + step, json::object{});
  if (!got) return std::move(got).error();
  Table table = properties_table({{"user", json::value(session.value("USER"))}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  session.say(session.dry_run() ? "Nothing was changed." : words);
  return 0;
}
Result<int> disable_user(Session& session) {
  return set_standing(session, "/disable", "From now on they may nothing.");
}
Result<int> enable_user(Session& session) {
  return set_standing(session, "/enable", "They may again what they might.");
}

// Without any token: that is what it is for.
Result<int> login(Session& session) {
  auto endpoint = endpoint_of(session.home(), "none");
  if (!endpoint) return std::move(endpoint).error();
  auto wait = session.timeout();
  if (!wait) return std::move(wait).error();
  auto password = read_secret(session, "password", "password-file");
  if (!password) return std::move(password).error();
  json::object body{{"user", session.value("USER")}, {"password", *password}};
  if (const std::string life = session.value("for"); !life.empty()) body["for"] = life;
  HttpClient client(std::move(*endpoint), *wait + limits::kCliTimeoutSlack);
  HttpClient::Request request;
  request.method = "POST";
  request.target = "/api/v1/login";
  request.body = json_text(json::value(std::move(body)));
  request.content_type = "application/json";
  return show_fields(session, client.call(request), {"user", "expires", "token"},
                     "Give the token to the command line as ENTENTE_TOKEN.");
}

const OptionSpec kUser{"USER", Form::positional, "USER", "the user's name"};
const OptionSpec kFile{"password-file", Form::value, "FILE",
                       "the file whose first line is the password (standard input)"};

}  // namespace

void add_user_commands(CommandTable& table) {
  table.push_back({"user list",
                   Effect::ro,
                   "List the users with roles, ends, passwords and standing",
                   {},
                   {"entente user list"},
                   list_users});
  table.push_back({"user add",
                   Effect::rw,
                   "Make a user with a role and a password, read from standard input",
                   {kUser,
                    {"ROLE", Form::positional, "ROLE", "their first role"},
                    {"for", Form::value, "TIME", "how long they have the role (for ever)"},
                    kFile},
                   {"entente user add ann analyst < password"},
                   add_user});
  table.push_back({"user password",
                   Effect::rw,
                   "Set a user's password, read from standard input",
                   {kUser, kFile},
                   {"entente user password ann < password"},
                   set_password});
  table.push_back({"user disable",
                   Effect::rw,
                   "Let a user do nothing from now on, tokens included",
                   {kUser},
                   {"entente user disable ann"},
                   disable_user});
  table.push_back({"user enable",
                   Effect::rw,
                   "Let a disabled user do again what they might",
                   {kUser},
                   {"entente user enable ann"},
                   enable_user});
  table.push_back(
      {"login",
       Effect::ro,
       "Get a short token for a password, read from standard input",
       {kUser, {"for", Form::value, "TIME", "how long it lives (1h, at most 12h)"}, kFile},
       {"export ENTENTE_TOKEN=$(entente login ann -o json | jq -r .token)"},
       login});
  table.push_back({"password",
                   Effect::rw,
                   "Change one's own password: the present one and the new, a line each",
                   {{"old-file", Form::value, "FILE",
                     "the file whose first line is the present password (standard input)"},
                    kFile},
                   {"entente password"},
                   own_password});
}

}  // namespace entente::node
