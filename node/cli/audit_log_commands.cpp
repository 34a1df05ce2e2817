// The audit log: reading it, proving it, and verifying anybody's.
#include <boost/json.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "node/cli/answer_view.h"
#include "node/cli/audit_bundle.h"
#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

bool shows_progress(Session& session) {
  return session.streams().err_is_terminal && !session.flag("quiet");
}

// Counts on a terminal; a blank line before words follow.
void show_count(Session& session, std::uint64_t records) {
  if (!shows_progress(session)) return;
  session.streams().err << '\r' << records << " records\x1b[K" << std::flush;
}
void end_count(Session& session) {
  if (shows_progress(session)) session.streams().err << "\r\x1b[K" << std::flush;
}

Result<OrgId> expected_organisation(Session& session) {
  OrgId expected;
  if (const std::string given = session.value("organisation"); !given.empty()) {
    auto id = OrgId::from_hex_text(given);
    if (!id) {
      return make_error(ErrorCode::invalid_argument, "--organisation must be an id of 64 digits",
                        "the id stands in 'entente status -o json'");
    }
    expected = *id;
  }
  return expected;
}

Error in_file(const std::string& path, std::size_t line, const Error& error) {
  return make_error(error.code, path + ":" + std::to_string(line) + ": " + error.what,
                    error.remedy);
}

void say_proof(Session& session, const json::value& answer) {
  const json::value& proof = field(answer, "proof");
  session.say("Signed by " + text_of_field(proof, "name") + ", " +
              text_of_field(proof, "organisation") + ", at " + text_of_field(proof, "answered") +
              " for " + text_of_field(proof, "asker_name") + ", " + text_of_field(proof, "asker") +
              (text_of_field(proof, "purpose").empty()
                   ? ""
                   : ", for the purpose '" + text_of_field(proof, "purpose") + "'") +
              ".");
  session.say("Its keys are those of its charters up to number " +
              fixed(number_of_field(proof, "charter").value_or(0), 0) + ", of " +
              text_of_field(proof, "charter_issued") +
              "; a later one may have revoked the key: ask for the newest.");
  if (const auto records = number_of_field(proof, "audit_records")) {
    session.say("Its audit log then held " + fixed(*records, 0) + " records up to " +
                text_of_field(proof, "audit_head") + ".");
  }
}

// What `ask --receipts` wrote: one receipt a line. Every one must hold.
Result<int> verify_receipts(Session& session, const std::string& path, std::istream& in,
                            const OrgId& expected) {
  if (!session.local().verify_receipt) {
    return make_error(ErrorCode::unsupported, "this program was built without receipts");
  }
  json::array items;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    boost::system::error_code failed;
    const json::value receipt = json::parse(line, failed);
    if (failed) {
      return in_file(path, number,
                     make_error(ErrorCode::invalid_argument, "it is no JSON",
                                "give the file as it was written"));
    }
    auto proven = session.local().verify_receipt(receipt, expected);
    if (!proven) return in_file(path, number, proven.error());
    const json::value answer = std::move(*proven);
    if (session.for_people()) {
      session.show({object_of(answer), answer_table(session, answer), "rows", false});
      say_answer(session, answer);
      say_proof(session, answer);
    }
    items.push_back(answer);
  }
  const std::size_t verified = items.size();
  if (!session.for_people()) {
    Table table{{{"organisation", "organisation"}, {"site", "site"}, {"answered", "answered"}}, {}};
    for (const json::value& item : items) {
      const json::value& proof = field(item, "proof");
      table.rows.push_back(
          {field(proof, "organisation"), field(proof, "site"), field(proof, "answered")});
    }
    session.show({{{"ok", true}, {"items", std::move(items)}}, std::move(table), "items", false});
  }
  session.say(std::to_string(verified) + (verified == 1 ? " receipt holds." : " receipts hold.") +
              (expected.is_zero() ? " Compare the organisations' ids with those you know, or give "
                                    "one with --organisation."
                                  : ""));
  return 0;
}

bool is_receipt(const std::string& line) {
  boost::system::error_code failed;
  const json::value first = json::parse(line, failed);
  return !failed && first.is_object() && first.get_object().contains("entente_receipt");
}

Result<int> verify_file(Session& session, const std::string& path) {
  auto organisation = expected_organisation(session);
  if (!organisation) return std::move(organisation).error();
  const OrgId& expected = *organisation;
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(ErrorCode::not_found, "cannot read " + path);
  std::string first;
  std::getline(in, first);
  in.clear();
  in.seekg(0);
  if (is_receipt(first)) return verify_receipts(session, path, in, expected);
  auto verdict = verify_bundle(in, expected,
                               [&session](std::uint64_t records) { show_count(session, records); });
  end_count(session);
  if (!verdict)
    return make_error(verdict.error().code, path + ": " + verdict.error().what,
                      verdict.error().remedy);
  json::array witnesses;
  std::string names;
  for (const Cosigned& one : verdict->cosigned) {
    witnesses.push_back({{"name", one.witness},
                         {"organisation", one.organisation.hex()},
                         {"time", to_text(one.time)}});
    names += (names.empty() ? "" : ", ") + one.witness;
  }
  session.show({{{"ok", true},
                 {"organisation", verdict->organisation.hex()},
                 {"site", verdict->site},
                 {"records", verdict->records},
                 {"root", verdict->root.hex()},
                 {"cosigned_by", std::move(witnesses)}},
                properties_table({{"organisation", json::value(verdict->organisation.hex())},
                                  {"site", json::value(verdict->site)},
                                  {"records", json::value(verdict->records)},
                                  {"root", json::value(verdict->root.hex())},
                                  {"cosigned by", json::value(names.empty() ? "nobody" : names)}}),
                "",
                true});
  session.say(
      expected.is_zero()
          ? "Every record follows from the signed checkpoint. Compare the organisation's id "
            "with the one you know, or give it with --organisation."
          : "Every record follows from the signed checkpoint of that organisation.");
  return 0;
}

Result<int> verify_audit(Session& session) {
  if (const std::string path = session.value("FILE"); !path.empty()) {
    return verify_file(session, path);
  }
  auto got = session.get("/api/v1/audit/verify");
  if (!got) return std::move(got).error();
  const bool intact = is_true(*got, "ok");
  const std::string bad = json::serialize(field(*got, "first_bad"));
  json::object object = object_of(std::move(*got));
  std::vector<std::pair<std::string, json::value>> lines;
  for (const auto& member : object) lines.emplace_back(member.key(), member.value());
  session.show({std::move(object), properties_table(std::move(lines)), "", true});
  if (intact) return 0;
  session.say("The audit chain is broken at entry " + bad +
              ": what follows it cannot be trusted. Compare with the partners' receipts.");
  return exit_code(ErrorCode::verification_failed);
}

Result<int> list_audit(Session& session) {
  auto limit = session.number("limit", 50, 1'000);
  auto after = session.number("after", 0, INT64_MAX);
  if (!limit) return std::move(limit).error();
  if (!after) return std::move(after).error();
  auto got = session.get("/api/v1/audit/records?limit=" + std::to_string(*limit) +
                         "&after=" + std::to_string(*after));
  if (!got) return std::move(got).error();
  Table table{{{"sequence", "no", Kind::integer},
               {"time", "time"},
               {"actor", "who"},
               {"action", "what"},
               {"object", "to what"},
               {"outcome", "outcome", Kind::state}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  const std::size_t shown = table.rows.size();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (shown == 0)
    session.say("Nothing is recorded" + std::string(*after > 0 ? " behind that." : " yet."));
  if (shown == *limit) {
    session.say("There may be more: --after " + std::to_string(*after + shown));
  }
  return 0;
}

Result<int> show_checkpoint(Session& session) {
  auto got = session.get("/api/v1/audit/checkpoint");
  if (!got) return std::move(got).error();
  if (session.for_people()) {
    session.streams().out << text_of_field(*got, "checkpoint");
    return 0;
  }
  Table table = properties_table({{"size", field(*got, "size")},
                                  {"time", field(*got, "time")},
                                  {"checkpoint", field(*got, "checkpoint")}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  return 0;
}

Result<int> list_witnesses(Session& session) {
  auto got = session.get("/api/v1/audit/witnesses");
  if (!got) return std::move(got).error();
  Table table{{{"partner", "partner"},
               {"state", "link", Kind::state},
               {"cosigned", "cosigned ours", Kind::integer},
               {"cosigned_at", "at"},
               {"seen", "saw of theirs", Kind::integer},
               {"seen_at", "at"},
               {"warning", "warning"}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  std::vector<std::string> words;
  if (table.rows.empty()) words.push_back("There is no partner to witness anything yet.");
  for (const json::value& one : array_of_field(*got, "conflicts")) {
    words.push_back(text_of_field(one, "time") + " " + text_of_field(one, "log") + " " +
                    text_of_field(one, "verdict") + ": " + text_of_field(one, "reason"));
  }
  const bool conflicts = !array_of_field(*got, "conflicts").empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  for (const std::string& line : words) session.say(line);
  if (conflicts) session.say("Both notes of each stand in -o json; they prove it to anybody.");
  return 0;
}

// The records from number `from` on, up to the checkpoint's size.
Outcome export_records(Session& session, std::uint64_t size, std::ostream& out) {
  constexpr std::uint64_t kPage = 1'000;
  for (std::uint64_t done = 0; done < size;) {
    const std::uint64_t limit = std::min(kPage, size - done);
    auto page = session.get("/api/v1/audit/records?raw=1&limit=" + std::to_string(limit) +
                            "&after=" + std::to_string(done));
    if (!page) return std::move(page).error();
    const json::array& items = array_of_field(*page, "items");
    if (items.empty()) {
      return make_error(ErrorCode::verification_failed,
                        "the log holds fewer records than its checkpoint", "entente audit verify");
    }
    for (const json::value& item : items) out << json::serialize(item) << '\n';
    done += items.size();
    show_count(session, done);
  }
  end_count(session);
  out.flush();
  if (out) return {};
  return make_error(ErrorCode::disk_full, "the bundle cannot be written",
                    "free space, or name another file");
}

Result<int> export_audit(Session& session) {
  auto head = session.get("/api/v1/audit/checkpoint");
  if (!head) return std::move(head).error();
  json::object first{{"entente_audit_bundle", 1}};
  for (const auto& member : object_of(*head)) first[member.key()] = member.value();
  const auto size = static_cast<std::uint64_t>(number_of_field(*head, "size").value_or(0));
  const std::string path = session.value("FILE");
  const std::string partial = path + ".part";
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  if (!out) return make_error(ErrorCode::invalid_argument, "cannot write " + partial);
  out << json::serialize(first) << '\n';
  auto done = export_records(session, size, out);
  out.close();
  std::error_code failed;
  if (done) std::filesystem::rename(partial, path, failed);
  if (!done || failed) {
    std::filesystem::remove(partial, failed);
    return done ? Error(make_error(ErrorCode::disk_full, "cannot write " + path)) : done.error();
  }
  session.show({{{"file", path}, {"records", size}},
                properties_table({{"file", json::value(path)}, {"records", json::value(size)}}),
                "",
                true});
  session.say("Verify it anywhere with 'entente audit verify " + path + "'.");
  return 0;
}

}  // namespace

void add_audit_log_commands(CommandTable& table) {
  table.push_back(
      {"audit verify",
       Effect::ro,
       "Verify the node's audit log, or without a node a bundle of any site's, or the "
       "receipts of answers",
       {{"FILE", Form::optional_positional, "FILE",
         "a bundle of 'audit export', or receipts of 'ask --receipts'"},
        {"organisation", Form::value, "ID",
         "whose log the bundle must be, or who must have answered"},
        {"verbose", Form::flag, "", "of receipts: say also how they are protected", 'v'}},
       {"entente audit verify", "entente audit verify washington.audit",
        "entente audit verify weekly.receipts --organisation ID"},
       verify_audit});
  table.push_back({"audit list",
                   Effect::ro,
                   "List what the audit log records",
                   {{"after", Form::value, "N", "begin behind this record (0)"},
                    {"limit", Form::value, "N", "records at most (50)"}},
                   {"entente audit list", "entente audit list --after 1000 -o jsonl"},
                   list_audit});
  table.push_back({"audit export",
                   Effect::ro,
                   "Write the audit log with all that verifies it into one file",
                   {{"FILE", Form::positional, "FILE", "to be written"}},
                   {"entente audit export washington.audit"},
                   export_audit});
  table.push_back({"audit checkpoint",
                   Effect::ro,
                   "Print the newest signed checkpoint of the audit log",
                   {},
                   {"entente audit checkpoint"},
                   show_checkpoint});
  table.push_back({"audit witnesses",
                   Effect::ro,
                   "Show who cosigned this site's audit log, and whose this site saw",
                   {},
                   {"entente audit witnesses"},
                   list_witnesses});
}

}  // namespace entente::node
