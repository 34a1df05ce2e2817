// This organisation's keys and charters: rotations, root keys elsewhere, drafts signed by file.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "schemas/base/random.h"
#include "security/identity/charter_draft.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

// 0600 and never over another file: what was there may be the only copy of a key.
Outcome write_secret(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    return make_error(ErrorCode::conflict, "cannot make " + path + ": it exists, or may not be",
                      "name a file that does not exist yet");
  }
  bool written = true;
  for (std::size_t at = 0; written && at < text.size();) {
    const ssize_t now = ::write(file, text.data() + at, text.size() - at);
    written = now > 0;
    at += static_cast<std::size_t>(std::max<ssize_t>(now, 0));
  }
  written = ::fsync(file) == 0 && written;
  ::close(file);
  if (written) return {};
  ::unlink(path.c_str());
  return make_error(ErrorCode::disk_full, "cannot write " + path);
}

// Under its name only when it is whole.
Outcome write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  std::error_code failure;
  if (out) std::filesystem::rename(part, path, failure);
  if (out && !failure) return {};
  std::filesystem::remove(part, failure);
  return make_error(ErrorCode::invalid_argument, "cannot write " + path);
}

std::string listed(const json::array& texts) {
  std::string out;
  for (const json::value& text : texts) {
    if (text.is_string()) out += (out.empty() ? "" : ", ") + std::string(text.get_string());
  }
  return out;
}

Result<int> list_keys(Session& session) {
  auto got = session.get("/api/v1/keys");
  if (!got) return std::move(got).error();
  Table table{{{"purpose", "key for"},
               {"state", "state", Kind::state},
               {"since_version", "since version", Kind::integer},
               {"waits_for", "waits for"},
               {"key", "public key"},
               {"hash", ""}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    table.rows.push_back({field(one, "purpose"), field(one, "state"), field(one, "since_version"),
                          json::value(listed(array_of_field(one, "waits_for"))), field(one, "key"),
                          field(one, "hash")});
  }
  const std::string version = shortest(number_of_field(*got, "version").value_or(0));
  const std::string words = "Charter version " + version + ", until " +
                            text_of_field(*got, "expires") + "; " +
                            shortest(number_of_field(*got, "threshold").value_or(0)) + " of " +
                            shortest(number_of_field(*got, "root_keys").value_or(0)) +
                            " root keys sign the next. The certificate lives until " +
                            text_of_field(*got, "leaf_expires") + ".";
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (session.for_people()) session.say(words);
  return 0;
}

// What became of a change of the charter; writes the draft when it is to be signed elsewhere.
Result<int> tell_change(Session& session, json::value got) {
  const std::string path = session.value("offline");
  const std::string draft = text_of_field(got, "draft");
  const std::string state = text_of_field(got, "state");
  if (!draft.empty() && !path.empty()) {
    if (auto done = write_file(path, draft); !done) return std::move(done).error();
  }
  json::object payload = object_of(std::move(got));
  if (!path.empty()) payload["file"] = path;
  std::vector<std::pair<std::string, json::value>> lines{{"state", json::value(state)}};
  for (const char* name : {"version", "expires", "file"}) {
    if (!field(payload, name).is_null()) lines.emplace_back(name, field(payload, name));
  }
  for (const json::value& change : array_of_field(payload, "changes")) {
    lines.emplace_back("change", change);
  }
  session.show({std::move(payload), properties_table(std::move(lines)), "", true});
  if (session.dry_run()) {
    session.say("Nothing was changed (--dry-run).");
  } else if (state == "draft") {
    session.say("Sign it where a root key is: entente charter sign " + path +
                " --key ROOTFILE\nThen bring it back: entente charter apply " + path);
  } else if (session.for_people() && state == "in force") {
    session.say("Partners are told now; 'entente key list' says which keys still wait.");
  }
  return 0;
}

json::object change_body(Session& session) {
  json::object body;
  if (!session.value("offline").empty()) body["offline"] = true;
  return body;
}

Result<int> rotate(Session& session) {
  json::object body = change_body(session);
  if (session.flag("revoke-old")) body["revoke_old"] = true;
  if (const std::string roots = session.value("root"); !roots.empty()) {
    json::array keys;
    for (std::size_t at = 0; at <= roots.size();) {
      const std::size_t end = std::min(roots.find(',', at), roots.size());
      keys.push_back(json::value(roots.substr(at, end - at)));
      at = end + 1;
    }
    body["roots"] = std::move(keys);
  }
  if (!session.value("threshold").empty()) {
    auto threshold = session.number("threshold", 0, 16);
    if (!threshold) return std::move(threshold).error();
    body["threshold"] = *threshold;
  }
  auto got = session.post("/api/v1/keys/" + url_encoded(session.value("KEY")) + "/rotate", body);
  if (!got) return std::move(got).error();
  return tell_change(session, std::move(*got));
}

Result<int> use_now(Session& session) {
  const std::string what = session.value("KEY");
  auto sure = session.confirm("Partners that have not pinned the new " + what +
                              " key yet may be cut off. Use it now?");
  if (!sure) return std::move(sure).error();
  if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  auto got = session.post("/api/v1/keys/" + url_encoded(what) + "/use", json::object{});
  if (!got) return std::move(got).error();
  return tell_change(session, std::move(*got));
}

Result<int> end_key(Session& session, const char* verb) {
  json::object body = change_body(session);
  body["key"] = session.value("KEY");
  auto got = session.post(std::string("/api/v1/keys/") + verb, body);
  if (!got) return std::move(got).error();
  return tell_change(session, std::move(*got));
}

Result<int> export_root(Session& session) {
  const std::string path = session.value("FILE");
  const bool remove = session.flag("remove");
  if (remove && !session.dry_run()) {
    auto sure = session.confirm("After this only " + path + " can sign a charter. Go on?");
    if (!sure) return std::move(sure).error();
    if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  }
  auto got = session.post("/api/v1/keys/root/export", json::object{});
  if (!got) return std::move(got).error();
  const std::string key = text_of_field(*got, "key");
  if (!session.dry_run()) {
    if (auto done = write_secret(path, text_of_field(*got, "root")); !done) {
      return std::move(done).error();
    }
    // What was written is read back before the other copy goes.
    auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
    if (!text) return std::move(text).error();
    auto back = security::root_key_from_text(*text);
    if (!back || back->public_key().hex() != key) {
      return make_error(ErrorCode::verification_failed, path + " does not hold the root key");
    }
  }
  std::string state = "exported";
  if (remove) {
    auto gone = session.post("/api/v1/keys/root/remove", json::object{{"key", key}});
    if (!gone) return std::move(gone).error();
    state = text_of_field(*gone, "state");
  }
  if (session.dry_run()) state = "nothing was changed";
  session.show({{{"key", key}, {"file", path}, {"state", state}},
                properties_table({{"root key", json::value(key)},
                                  {"file", json::value(path)},
                                  {"state", json::value(state)}}),
                "",
                true});
  if (!session.dry_run() && session.for_people()) {
    session.say("Keep " + path + " off the network, and a copy of it somewhere else.");
  }
  return 0;
}

Result<int> new_root(Session& session) {
  SystemRandom random;
  const auto root = security::SigningKey::generate(random);
  const std::string path = session.value("FILE");
  const std::string text = security::root_key_to_text(root);
  const std::string key = root.public_key().hex();
  if (!path.empty()) {
    if (auto done = write_secret(path, text); !done) return std::move(done).error();
  }
  json::object payload{{"key", key}};
  if (path.empty()) payload["root"] = text;
  std::vector<std::pair<std::string, json::value>> lines{{"root key", json::value(key)}};
  lines.emplace_back(path.empty() ? "secret" : "file", json::value(path.empty() ? text : path));
  session.show({std::move(payload), properties_table(std::move(lines)), "", true});
  session.say("At the node: entente key rotate root --root " + key + ",…");
  return 0;
}

Result<security::CharterFile> read_charter(Session& session) {
  auto text = read_whole(session.value("FILE"), session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  return security::charter_file_from_text(*text);
}

Result<int> tell_charter(Session& session, const security::CharterFile& file) {
  auto after = charter_from_bytes(file.draft.charter);
  if (!after) return std::move(after).error();
  auto missing = security::missing_signatures(file.organisation, file.draft);
  if (!missing) return std::move(missing).error();
  const auto changes = security::changes_of(file.organisation.current(), *after);
  json::array could;
  for (const PublicKey& key : missing->could_sign) could.push_back(json::value(key.hex()));
  std::vector<std::pair<std::string, json::value>> lines{
      {"organisation", json::value(after->name)},
      {"id", json::value(file.organisation.id().hex())}};
  for (const std::string& change : changes) lines.emplace_back("change", json::value(change));
  const std::string lacks = missing->complete()
                                ? "none"
                                : std::to_string(missing->of_old) + " of the roots in force, " +
                                      std::to_string(missing->of_new) + " of its own";
  lines.emplace_back("signatures missing", json::value(lacks));
  for (const json::value& key : could) lines.emplace_back("could sign", key);
  session.show({{{"organisation", file.organisation.id().hex()},
                 {"name", after->name},
                 {"version", after->version},
                 {"changes", json::value_from(changes)},
                 {"missing_of_old", missing->of_old},
                 {"missing_of_new", missing->of_new},
                 {"could_sign", could}},
                properties_table(std::move(lines)),
                "",
                true});
  return 0;
}

Result<int> show_charter(Session& session) {
  auto file = read_charter(session);
  if (!file) return std::move(file).error();
  return tell_charter(session, *file);
}

Result<int> sign_charter(Session& session) {
  auto file = read_charter(session);
  if (!file) return std::move(file).error();
  const std::string key_path = session.value("key");
  if (key_path.empty()) {
    return make_error(ErrorCode::invalid_argument, "--key names the file of the root key");
  }
  auto text = read_whole(key_path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  auto root = security::root_key_from_text(*text);
  if (!root) return std::move(root).error();
  auto added = security::add_signature(file->organisation, file->draft, *root);
  const bool before = !added && added.error().code == ErrorCode::conflict;
  if (!added && !before) return std::move(added).error();
  if (added) {
    if (auto done = write_file(session.value("FILE"), security::to_text(*file)); !done) {
      return std::move(done).error();
    }
  }
  auto told = tell_charter(session, *file);
  if (told && before) session.say("This key had signed already: a key counts once.");
  return told;
}

Result<int> apply_charter(Session& session) {
  auto text = read_whole(session.value("FILE"), session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  auto got = session.post("/api/v1/charter/apply", json::object{{"file", *text}});
  if (!got) return std::move(got).error();
  return tell_change(session, std::move(*got));
}

}  // namespace

void add_key_commands(CommandTable& table) {
  const OptionSpec offline{"offline", Form::value, "FILE",
                           "write the draft of the charter here, to be signed elsewhere"};
  const OptionSpec key{"KEY", Form::positional, "", "a public key or its hash, from 'key list'"};
  table.push_back({"key list",
                   Effect::ro,
                   "Keys of this organisation: in use, next, former; the charter's end",
                   {},
                   {"entente key list"},
                   list_keys});
  table.push_back(
      {"key rotate",
       Effect::rw,
       "Make a new key, and the charter that names it beside the old one",
       {{"KEY", Form::positional, "", "leaf, ca, root, answer, audit, envelope or agreement"},
        offline,
        {"revoke-old", Form::flag, "", "the old one was stolen: revoke it at once"},
        {"root", Form::value, "KEY,KEY", "root: the root keys from now on, with commas between"},
        {"threshold", Form::value, "N", "root: how many of them sign a charter"}},
       {"entente key rotate ca", "entente key rotate answer --offline next.charter"},
       rotate});
  table.push_back({"key switch",
                   Effect::rw,
                   "Use a new key without waiting for partners to know it",
                   {{"KEY", Form::positional, "", "ca, answer, audit, envelope or agreement"}},
                   {"entente key switch answer"},
                   use_now});
  table.push_back({"key revoke",
                   Effect::rw,
                   "Revoke a key by a new charter: what it signed counts no more",
                   {key, offline},
                   {"entente key revoke 5f0c…"},
                   [](Session& session) { return end_key(session, "revoke"); }});
  table.push_back({"key retire",
                   Effect::rw,
                   "Name a former key no more; what it signed in its time still verifies",
                   {key, offline},
                   {"entente key retire 5f0c…"},
                   [](Session& session) { return end_key(session, "retire"); }});
  table.push_back({"key export-root",
                   Effect::rw,
                   "Write the root key into a file of its own, to be kept elsewhere",
                   {{"FILE", Form::positional, "", "must not exist"},
                    {"remove", Form::flag, "", "and take it off this node"}},
                   {"entente key export-root /media/usb/root.key --remove"},
                   export_root});
  table.push_back({"key new-root",
                   Effect::ro,
                   "Make a root key on this machine, without a node",
                   {{"FILE", Form::optional_positional, "FILE", "must not exist; else printed"}},
                   {"entente key new-root /media/usb/root2.key"},
                   new_root});
  const OptionSpec file{"FILE", Form::positional, "", "from 'key rotate … --offline FILE'"};
  table.push_back({"charter show",
                   Effect::ro,
                   "What a draft of a charter changes, and who has to sign it",
                   {file},
                   {"entente charter show next.charter"},
                   show_charter});
  table.push_back({"charter sign",
                   Effect::ro,
                   "Sign a draft with a root key, on any machine",
                   {file, {"key", Form::value, "FILE", "the root key's file"}},
                   {"entente charter sign next.charter --key /media/usb/root.key"},
                   sign_charter});
  table.push_back({"charter apply",
                   Effect::rw,
                   "Put a signed charter into force and tell every partner",
                   {file},
                   {"entente charter apply next.charter"},
                   apply_charter});
}

}  // namespace entente::node
