// `twin export`: readings page by page from the node into a file, in bounded memory.
#include <simdjson.h>

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/ingest/ingest.h"
#include "node/service/json_text.h"
#include "node/service/problem.h"

namespace entente::node {
namespace {

namespace json = boost::json;
namespace ondemand = simdjson::ondemand;
using Form = OptionSpec::Form;

enum class FileFormat { csv, jsonl };

struct Exported {
  std::uint64_t twins = 0;
  std::uint64_t readings = 0;
  std::uint64_t without_value = 0;  // left out of JSON Lines, which has no word for them
};

// --format, else what the file's name says, else what -o says.
Result<FileFormat> format_of(const Session& session) {
  const std::string format = session.value("format");
  if (format == "csv") return FileFormat::csv;
  if (format == "jsonl") return FileFormat::jsonl;
  if (!format.empty()) {
    return make_error(ErrorCode::invalid_argument, "--format " + format + " is unknown",
                      "use csv or jsonl");
  }
  const std::string out = session.value("out");
  if (out.empty()) return session.format() == Format::jsonl ? FileFormat::jsonl : FileFormat::csv;
  return out.ends_with(".jsonl") || out.ends_with(".ndjson") ? FileFormat::jsonl : FileFormat::csv;
}

// Readings as lines of a file.
class ReadingLines {
 public:
  ReadingLines(std::ostream& out, FileFormat format) : out_(out), format_(format) {
    if (format_ == FileFormat::csv) out_ << "twin,signal,time,value,quality\n";
  }
  void begin(const std::string& twin) {
    twin_ = format_ == FileFormat::csv ? csv_field(twin) : json_text(json::value(twin));
    ++exported_.twins;
  }
  // The page's items; its cursor. What the node sends is parsed on demand, because Boost.JSON of
  // this version does not give back every double.
  Result<std::string> add(const std::string& page) {
    const simdjson::padded_string padded(page);
    ondemand::document document;
    ondemand::array items;
    const auto odd = [] {
      return make_error(ErrorCode::internal, "the node's page of readings cannot be understood");
    };
    if (parser_.iterate(padded).get(document) != simdjson::SUCCESS ||
        document["items"].get_array().get(items) != simdjson::SUCCESS) {
      return odd();
    }
    for (auto item : items) {
      ondemand::object object;
      if (item.get_object().get(object) != simdjson::SUCCESS || !add_one(object)) return odd();
    }
    std::string_view next;
    const bool more = document["next"].get_string().get(next) == simdjson::SUCCESS;
    return more ? std::string(next) : std::string();
  }
  const Exported& exported() const { return exported_; }

 private:
  bool add_one(ondemand::object& object) {
    std::string_view text;
    if (object["signal"].get_string().get(text) != simdjson::SUCCESS) return false;
    const std::string signal(text);
    if (object["time"].get_string().get(text) != simdjson::SUCCESS) return false;
    const std::string time(text);
    ondemand::value given;
    if (object["value"].get(given) != simdjson::SUCCESS) return false;
    double number = 0;
    bool none = false;
    if (given.is_null().get(none) != simdjson::SUCCESS) return false;
    if (!none && given.get_double().get(number) != simdjson::SUCCESS) return false;
    if (object["quality"].get_string().get(text) != simdjson::SUCCESS) return false;
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    const std::string_view value(digits, none ? 0 : static_cast<std::size_t>(end.ptr - digits));
    if (format_ == FileFormat::csv) {
      out_ << twin_ << ',' << csv_field(signal) << ',' << time << ',' << value << ',' << text
           << '\n';
    } else if (none) {
      ++exported_.without_value;
      return true;
    } else {
      out_ << "{\"twin\":" << twin_ << ",\"signal\":" << json_text(json::value(signal))
           << ",\"time\":\"" << time << "\",\"value\":" << value << "}\n";
    }
    ++exported_.readings;
    return true;
  }

  std::ostream& out_;
  const FileFormat format_;
  std::string twin_;
  Exported exported_;
  ondemand::parser parser_;
};

Result<std::string> get_text(Session& session, const std::string& target) {
  auto client = session.client();
  if (!client) return std::move(client).error();
  auto response = (*client)->send({"GET", target, {}, {}, {}});
  if (!response) return std::move(response).error();
  if (response->status >= 400) return error_from_problem(response->status, response->body);
  return std::move(response->body);
}

// Calls `each` for the twins that were named, or for all of the type, page by page.
Outcome for_each_twin(Session& session, const std::function<Outcome(const std::string&)>& each) {
  for (const std::string& id : session.values("ID")) {
    if (auto done = each(id); !done) return done;
  }
  if (!session.values("ID").empty()) return {};
  std::string cursor;
  for (std::size_t page = 0; page < limits::kCliPages; ++page) {
    std::string target = "/api/v1/twins?limit=1000";
    if (!session.value("type").empty()) target += "&type=" + url_encoded(session.value("type"));
    if (!cursor.empty()) target += "&cursor=" + url_encoded(cursor);
    auto got = session.get(target);
    if (!got) return std::move(got).error();
    for (const json::value& item : array_of_field(*got, "items")) {
      const std::string id = text_of_field(item, "id");
      if (id.empty()) continue;
      if (auto done = each(id); !done) return done;
    }
    cursor = text_of_field(*got, "next");
    if (cursor.empty()) break;
  }
  return {};
}

Outcome export_twin(Session& session, const std::string& twin, ReadingLines& lines,
                    std::ostream& out) {
  lines.begin(twin);
  std::string query = "?limit=" + std::to_string(limits::kExportPage);
  for (const char* name : {"signal", "from", "to", "quality"}) {
    const std::string value = session.value(name);
    if (!value.empty()) query += "&" + std::string(name) + "=" + url_encoded(value);
  }
  const std::string target = "/api/v1/twins/" + url_encoded(twin) + "/readings" + query;
  std::string cursor;
  do {
    auto page =
        get_text(session, cursor.empty() ? target : target + "&cursor=" + url_encoded(cursor));
    if (!page) return std::move(page).error();
    auto next = lines.add(*page);
    if (!next) return std::move(next).error();
    if (!*next->c_str() || *next != cursor) {
      cursor = std::move(*next);
    } else {
      return make_error(ErrorCode::internal, "the node gives the same page again and again");
    }
    if (!out) {
      return make_error(ErrorCode::disk_full, "the readings cannot be written",
                        "free space, or name another file");
    }
    if (session.streams().err_is_terminal && !session.flag("quiet") &&
        !session.value("out").empty()) {
      session.streams().err << '\r' << lines.exported().readings << " readings\x1b[K" << std::flush;
    }
  } while (!cursor.empty());
  return {};
}

Outcome export_all(Session& session, FileFormat format, std::ostream& out, Exported& exported) {
  ReadingLines lines(out, format);
  auto done = for_each_twin(
      session, [&](const std::string& twin) { return export_twin(session, twin, lines, out); });
  out.flush();
  exported = lines.exported();
  const bool shown =
      session.streams().err_is_terminal && !session.flag("quiet") && !session.value("out").empty();
  if (shown) session.streams().err << "\r\x1b[K" << std::flush;
  if (!done || out) return done;
  return make_error(ErrorCode::disk_full, "the readings cannot be written",
                    "free space, or name another file");
}

void say_left_out(Session& session, const Exported& exported) {
  if (exported.without_value == 0) return;
  session.say(std::to_string(exported.without_value) +
              " readings without a value were left out: JSON has no word for them, --format csv "
              "keeps them");
}

void show_exported(Session& session, const std::string& path, const Exported& exported) {
  json::object payload{{"file", path},
                       {"twins", exported.twins},
                       {"readings", exported.readings},
                       {"without_value", exported.without_value}};
  Table table{{{"file", "file"},
               {"twins", "twins", Kind::integer},
               {"readings", "readings", Kind::integer},
               {"without_value", "without a value", Kind::integer}},
              {{payload["file"], payload["twins"], payload["readings"], payload["without_value"]}}};
  session.show({std::move(payload), std::move(table), "", false});
}

Result<int> export_readings(Session& session) {
  auto format = format_of(session);
  if (!format) return std::move(format).error();
  const std::string path = session.value("out");
  Exported exported;
  if (path.empty()) {
    if (session.format() == Format::json) {
      return make_error(ErrorCode::invalid_argument, "-o json describes an export to a file",
                        "add --out FILE, or use -o jsonl for the readings themselves");
    }
    auto done = export_all(session, *format, session.streams().out, exported);
    if (!done) return std::move(done).error();
    say_left_out(session, exported);
    return 0;
  }
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  if (!file) {
    return make_error(ErrorCode::invalid_argument, "cannot write to " + part,
                      "name a file in a folder that you may write to");
  }
  auto done = export_all(session, *format, file, exported);
  file.close();
  std::error_code fault;
  if (!done) {
    std::filesystem::remove(part, fault);
    return std::move(done).error();
  }
  std::filesystem::rename(part, path, fault);
  if (fault) return make_error(ErrorCode::invalid_argument, "cannot write to " + path);
  show_exported(session, path, exported);
  say_left_out(session, exported);
  return 0;
}

}  // namespace

void add_export_command(CommandTable& table) {
  table.push_back({"twin export",
                   Effect::ro,
                   "Readings into a file, or to standard output",
                   {{"ID", Form::optional_positionals, "", "twins' ids; none: all twins"},
                    {"type", Form::value, "DTMI", "all twins of this type"},
                    {"signal", Form::value, "SIGNAL", "only of this signal"},
                    {"from", Form::value, "TIME", "from this time"},
                    {"to", Form::value, "TIME", "before this time"},
                    {"quality", Form::value, "good|all", "all unless said"},
                    {"format", Form::value, "csv|jsonl", "instead of what the file's name says"},
                    {"out", Form::value, "FILE", "appears when the export is complete"}},
                   {"entente twin export monitor-530330030 --out monitor.csv",
                    "entente twin export --quality good --from 2025-03-01 --format jsonl"},
                   export_readings});
}

}  // namespace entente::node
