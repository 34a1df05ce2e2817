#include "node/config/settings.h"

#include "node/config/strict_toml.h"
#include "schemas/base/ids.h"

namespace entente::node {
namespace {

void read_node(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("node");
  if (section == nullptr) return root.fail("node", "the section [node] is missing");
  StrictTable node(*section, root.file(), "node", ErrorCode::config_invalid);
  out.organisation = node.text("organisation");
  out.title = node.text("title", out.organisation);
  out.site = node.text("site", out.site);
  if (!is_local_id(out.organisation)) node.fail("organisation", "is no name: use a-z 0-9 . _ -");
  if (!is_local_id(out.site)) node.fail("site", "is no name: use a-z 0-9 . _ -");
  if (auto done = node.finish(); !done) root.adopt(done.error());
}

void read_ports(StrictTable& root, Settings& out) {
  if (const toml::table* section = root.table("http")) {
    StrictTable http(*section, root.file(), "http", ErrorCode::config_invalid);
    out.http_address = http.text("address", out.http_address);
    out.http_port = static_cast<std::uint16_t>(http.integer("port", 0, 65535, out.http_port));
    if (auto done = http.finish(); !done) root.adopt(done.error());
  }
  if (const toml::table* section = root.table("federation")) {
    StrictTable link(*section, root.file(), "federation", ErrorCode::config_invalid);
    out.federation_address = link.text("address", out.federation_address);
    out.federation_port =
        static_cast<std::uint16_t>(link.integer("port", 0, 65535, out.federation_port));
    out.enrolment_port =
        static_cast<std::uint16_t>(link.integer("enrolment_port", 0, 65535, out.enrolment_port));
    out.federation_public = link.text("public", "");
    if (auto done = link.finish(); !done) root.adopt(done.error());
  }
  if (const toml::table* section = root.table("collectors")) {
    StrictTable collect(*section, root.file(), "collectors", ErrorCode::config_invalid);
    out.collect_address = collect.text("address", out.collect_address);
    out.collect_port =
        static_cast<std::uint16_t>(collect.integer("port", 0, 65535, out.collect_port));
    out.collect_public = collect.text("public", "");
    if (auto done = collect.finish(); !done) root.adopt(done.error());
  }
}

void read_ask(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("ask");
  if (section == nullptr) return;
  StrictTable ask(*section, root.file(), "ask", ErrorCode::config_invalid);
  out.grid = ask.duration("grid", out.grid);
  out.default_epsilon = ask.number("epsilon", out.default_epsilon);
  out.ask_timeout = ask.duration("timeout", out.ask_timeout);
  if (out.grid > seconds(10)) ask.fail("grid", "must be at most 10s");
  if (!(out.default_epsilon > 0)) ask.fail("epsilon", "must be above 0");
  if (out.ask_timeout > seconds(120) || out.ask_timeout.ns <= 0) {
    ask.fail("timeout", "must be above 0s and at most 120s");
  }
  if (auto done = ask.finish(); !done) root.adopt(done.error());
}

void read_ledger(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("ledger");
  if (section == nullptr) return;
  StrictTable ledger(*section, root.file(), "ledger", ErrorCode::config_invalid);
  out.head_file = ledger.text("head_file", "");
  if (!out.head_file.empty() && out.head_file.front() != '/') {
    ledger.fail("head_file", "must be an absolute path, best on another disk");
  }
  if (auto done = ledger.finish(); !done) root.adopt(done.error());
}

void read_audit(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("audit");
  if (section == nullptr) return;
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  StrictTable audit(*section, root.file(), "audit", ErrorCode::config_invalid);
  out.audit_checkpoint = audit.duration("checkpoint", out.audit_checkpoint);
  if (out.audit_checkpoint < seconds(1) || out.audit_checkpoint > hours(1)) {
    audit.fail("checkpoint", "must be from 1s to 1h");
  }
  const auto given = static_cast<std::int64_t>(out.audit_capacity >> 20);
  out.audit_capacity = static_cast<std::uint64_t>(audit.integer("capacity_mib", 16, kMost, given))
                       << 20;
  if (auto done = audit.finish(); !done) root.adopt(done.error());
}

void read_backup(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("backup");
  if (section == nullptr) return;
  StrictTable backup(*section, root.file(), "backup", ErrorCode::config_invalid);
  out.backup_folder = backup.text("folder", "");
  if (!out.backup_folder.empty() && out.backup_folder.front() != '/') {
    backup.fail("folder", "must be an absolute path, best on another disk");
  }
  if (auto done = backup.finish(); !done) root.adopt(done.error());
}

void read_log(StrictTable& root, Settings& out) {
  const toml::table* section = root.table("log");
  if (section == nullptr) return;
  StrictTable log(*section, root.file(), "log", ErrorCode::config_invalid);
  const std::string level = log.text("level", "info");
  const std::string format = log.text("format", "json");
  if (level == "debug")
    out.log_level = log::Level::debug;
  else if (level == "info")
    out.log_level = log::Level::info;
  else if (level == "warn")
    out.log_level = log::Level::warn;
  else if (level == "error")
    out.log_level = log::Level::error;
  else
    log.fail("level", "must be debug, info, warn or error");
  if (format == "json")
    out.log_format = log::Format::json;
  else if (format == "plain")
    out.log_format = log::Format::plain;
  else
    log.fail("format", "must be json or plain");
  if (auto done = log.finish(); !done) root.adopt(done.error());
}

}  // namespace

Result<Settings> load_settings(const std::string& home) {
  Settings out;
  out.home = home;
  auto parsed = load_toml(out.path("entente.toml"));
  if (!parsed && parsed.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::not_found, "there is no node in " + home,
                      "make one with 'entente init', or name another place with --home");
  }
  if (!parsed) return std::move(parsed).error();
  StrictTable root(*parsed, out.path("entente.toml"), "", ErrorCode::config_invalid);
  read_node(root, out);
  read_ports(root, out);
  read_ask(root, out);
  read_ledger(root, out);
  read_audit(root, out);
  read_backup(root, out);
  read_log(root, out);
  if (auto done = root.finish(); !done) return std::move(done).error();
  return out;
}

std::string settings_text(const Settings& s) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  };
  return "# How this Entente node runs. Unknown keys are refused; restart the node after a "
         "change.\n"
         "\n[node]\norganisation = " +
         quoted(s.organisation) + "\ntitle = " + quoted(s.title) + "\nsite = " + quoted(s.site) +
         "\n\n[http]                       # API and metrics; keep it on the loopback address\n"
         "address = " +
         quoted(s.http_address) + "\nport = " + std::to_string(s.http_port) +
         "                  # 0 = any free port, written to run/http.port\n"
         "\n[federation]                 # partners reach this node here, over mutual TLS 1.3\n"
         "address = " +
         quoted(s.federation_address) + "\nport = " + std::to_string(s.federation_port) +
         "\nenrolment_port = " + std::to_string(s.enrolment_port) +
         "        # open only while an invitation is\n"
         "public = " +
         quoted(s.federation_public) +
         "                  # host or host:port that partners dial, when it differs\n"
         "\n[collectors]                 # edge collectors send readings here; open once one is "
         "enrolled\n"
         "address = " +
         quoted(s.collect_address) + "\nport = " + std::to_string(s.collect_port) +
         "\npublic = " + quoted(s.collect_public) +
         "                  # host or host:port that collectors dial, when it differs\n"
         "\n[ask]\ngrid = " +
         quoted(to_text(s.grid)) +
         "                # answers leave on this time grid; 0s sends at once\n"
         "epsilon = 1                  # of a question that names none\n"
         "timeout = " +
         quoted(to_text(s.ask_timeout)) +
         "\n\n[ledger]                     # tells a database that was restored from a backup\n"
         "head_file = " +
         quoted(s.head_file) +
         "               # absolute path on another disk; empty = keys/ledger.head\n"
         "\n[audit]\ncheckpoint = " +
         quoted(to_text(s.audit_checkpoint)) +
         "            # the log is read back, signed and shown to partners so often\n"
         "capacity_mib = " +
         std::to_string(s.audit_capacity >> 20) +
         "          # room for the audit log and the ledger; alarms at 70, 85 and 95 %\n"
         "\n[backup]\nfolder = " +
         quoted(s.backup_folder) +
         "               # absolute path on another disk; empty = backups\n"
         "\n[log]\nlevel = \"info\"\nformat = \"json\"\n";
}

}  // namespace entente::node
