#include "node/ingest/mapping.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "node/limits.h"
#include "node/twin/document.h"

namespace entente::node {
namespace {

namespace json = boost::json;

std::string text_of(const json::string& value) {
  return {value.data(), value.size()};
}
std::string key_of(const json::key_value_pair& member) {
  return {member.key().data(), member.key().size()};
}

// Reads one table after another and remembers the first complaint.
class MappingReader {
 public:
  explicit MappingReader(const Document& document) : document_(document) {}

  Result<Mapping> read() {
    if (!document_.root.is_object()) return complain("", "tables are expected"), *failure_;
    const auto& root = document_.root.get_object();
    if (root.contains("line")) return read_line(root);
    only(root, "",
         {"layout", "signal", "signal_column", "value", "ignore", "missing", "delimiter", "decimal",
          "skip_lines", "time", "signals", "twin"});
    text_form(root);
    time(table("time"));
    twin(table("twin"));
    layout(root);
    if (failure_) return *failure_;
    return std::move(mapping_);
  }

 private:
  void complain(const std::string& path, const std::string& what) {
    if (!failure_)
      failure_ = make_error(ErrorCode::config_invalid, document_.place(path) + ": " + what);
  }

  static std::string joined(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  void only(const json::object& object, const std::string& path, std::set<std::string> keys) {
    for (const auto& member : object) {
      const auto key = key_of(member);
      if (keys.count(key) > 0) continue;
      std::string all;
      for (const auto& each : keys) all += (all.empty() ? "" : ", ") + each;
      complain(joined(path, key), "unknown key \"" + key + "\"; there are: " + all);
    }
  }

  const json::object& table(const char* name) {
    static const json::object kEmpty;
    const auto* value = document_.root.get_object().if_contains(name);
    if (value == nullptr) return kEmpty;
    if (value->is_object()) return value->get_object();
    complain(name, std::string("[") + name + "] is a table");
    return kEmpty;
  }

  std::string word(const json::object& object, const std::string& path, const char* key,
                   std::string otherwise = {}) {
    const auto* value = object.if_contains(key);
    if (value == nullptr) return otherwise;
    if (value->is_string()) return text_of(value->get_string());
    complain(joined(path, key), std::string(key) + " is a text");
    return otherwise;
  }

  std::vector<std::string> words(const json::object& object, const std::string& path,
                                 const char* key, std::vector<std::string> otherwise) {
    const auto* value = object.if_contains(key);
    if (value == nullptr) return otherwise;
    std::vector<std::string> all;
    if (value->is_array()) {
      for (const auto& each : value->get_array()) {
        if (each.is_string()) all.push_back(text_of(each.get_string()));
      }
      if (all.size() == value->get_array().size()) return all;
    }
    complain(joined(path, key), std::string(key) + " is a list of texts");
    return otherwise;
  }

  std::map<std::string, std::string, std::less<>> pairs(const json::value* value,
                                                        const std::string& path) {
    std::map<std::string, std::string, std::less<>> all;
    if (value == nullptr) return all;
    if (!value->is_object()) return complain(path, "a table of texts is expected"), all;
    for (const auto& member : value->get_object()) {
      if (!member.value().is_string()) {
        complain(path + "." + key_of(member), "a text is expected");
        continue;
      }
      all.emplace(key_of(member), text_of(member.value().get_string()));
    }
    return all;
  }

  char letter(const json::object& root, const char* key, std::string_view allowed) {
    const auto text = word(root, "", key, std::string(1, allowed.front()));
    if (text.size() == 1 && allowed.find(text.front()) != std::string_view::npos) {
      return text.front();
    }
    complain(key, "\"" + text + "\" is not one of the characters " + std::string(allowed));
    return allowed.front();
  }

  void text_form(const json::object& root) {
    mapping_.delimiter = letter(root, "delimiter", ",;\t|");
    mapping_.decimal = letter(root, "decimal", ".,");
    mapping_.missing = words(root, "", "missing", {""});
    if (mapping_.delimiter == mapping_.decimal) {
      complain("delimiter", "delimiter and decimal are the same character");
    }
    if (const auto* lines = root.if_contains("skip_lines")) {
      if (!lines->is_int64() || lines->get_int64() < 0 || lines->get_int64() > 1'000'000) {
        complain("skip_lines", "a number of lines is expected");
      } else {
        mapping_.skip_lines = static_cast<std::size_t>(lines->get_int64());
      }
    }
  }

  void time(const json::object& object) {
    only(object, "time", {"column", "columns", "format", "formats", "zone", "twice"});
    const auto column = word(object, "time", "column");
    mapping_.time_columns = words(object, "time", "columns", {});
    if (!column.empty() && mapping_.time_columns.empty()) mapping_.time_columns = {column};
    if (mapping_.time_columns.empty() || (!column.empty() && object.contains("columns"))) {
      complain("time", "[time] needs column or columns, one of them");
    }
    const auto twice_text = word(object, "time", "twice", "reject");
    auto twice = TimeText::Twice::reject;
    if (twice_text == "earliest") {
      twice = TimeText::Twice::earliest;
    } else if (twice_text == "latest") {
      twice = TimeText::Twice::latest;
    } else if (twice_text != "reject") {
      complain("time.twice", "\"" + twice_text + "\" is none of reject, earliest, latest");
    }
    const auto format = word(object, "time", "format");
    const auto formats =
        words(object, "time", "formats", {format.empty() ? std::string("iso") : format});
    if (!format.empty() && object.contains("formats")) {
      complain("time", "format or formats, one of them");
    }
    if (formats.empty()) complain("time.formats", "needs at least one format");
    auto made = TimeText::make(formats, word(object, "time", "zone", "UTC"), twice);
    if (!made) {
      const bool zone = made.error().what.find("time zone") != std::string::npos;
      const auto* place = zone ? "time.zone" : format.empty() ? "time.formats" : "time.format";
      complain(place, made.error().what);
    } else {
      mapping_.time = std::make_shared<const TimeText>(std::move(*made));
    }
  }

  void twin(const json::object& object) {
    only(object, "twin", {"column", "fixed", "pattern", "table", "prefix", "normalise"});
    auto& twin = mapping_.twin;
    twin.column = word(object, "twin", "column");
    twin.fixed = word(object, "twin", "fixed");
    twin.prefix = word(object, "twin", "prefix");
    twin.table = pairs(object.if_contains("table"), "twin.table");
    const auto pattern = word(object, "twin", "pattern");
    if (!pattern.empty()) {
      try {
        twin.pattern.emplace(pattern, std::regex::ECMAScript | std::regex::optimize);
        if (twin.pattern->mark_count() < 1) {
          complain("twin.pattern", "the pattern needs a group in parentheses");
        }
      } catch (const std::regex_error&) {
        complain("twin.pattern", "\"" + pattern + "\" is no regular expression");
      }
    }
    if (const auto* value = object.if_contains("normalise")) {
      if (!value->is_bool()) complain("twin.normalise", "true or false is expected");
      twin.normalise = value->is_bool() && value->get_bool();
    }
  }

  Result<Mapping> read_line(const json::object& root) {
    only(root, "", {"line", "twin"});
    const auto& object = table("line");
    only(object, "line", {"twin", "signal", "ignore", "signals"});
    mapping_.layout = Mapping::Layout::line;
    auto& line = mapping_.line;
    line.twin_tag = word(object, "line", "twin", "twin");
    if (line.twin_tag.empty()) complain("line.twin", "a tag's name is expected");
    const auto signal = word(object, "line", "signal", "field");
    const auto known = line_signal_of(signal);
    if (!known) {
      complain("line.signal",
               "\"" + signal + "\" is none of field, measurement, measurement.field");
    }
    line.signal = known.value_or(LineNaming::Signal::field);
    line.ignore = words(object, "line", "ignore", {});
    line.signals = pairs(object.if_contains("signals"), "line.signals");
    twin(table("twin"));
    line.twin = mapping_.twin;
    if (!line.twin.column.empty() || !line.twin.fixed.empty()) {
      complain("twin", "with [line] a tag names the twin: no column, no fixed");
    }
    if (failure_) return *failure_;
    return std::move(mapping_);
  }

  void layout(const json::object& root) {
    const auto name = word(root, "", "layout");
    mapping_.signal = word(root, "", "signal");
    mapping_.signal_column = word(root, "", "signal_column");
    mapping_.value_column = word(root, "", "value");
    mapping_.ignore = words(root, "", "ignore", {});
    mapping_.signals = pairs(root.if_contains("signals"), "signals");
    const auto& twin = mapping_.twin;
    const auto unused = [&](std::initializer_list<const char*> keys) {
      for (const char* key : keys) {
        if (root.contains(key)) complain(key, "layout \"" + name + "\" has no use for " + key);
      }
    };
    if (name == "wide") {
      mapping_.layout = Mapping::Layout::wide;
      unused({"signal_column", "value", "signals"});
      if (mapping_.signal.empty()) complain("layout", "layout \"wide\" needs signal");
      if (!twin.column.empty() || !twin.fixed.empty()) {
        complain("twin", "in a wide table the columns' names are the twins: no column, no fixed");
      }
      return;
    }
    if (twin.column.empty() == twin.fixed.empty()) {
      complain("twin", "[twin] needs column or fixed, one of them");
    }
    if (name == "columns") {
      mapping_.layout = Mapping::Layout::columns;
      unused({"signal", "signal_column", "value", "ignore"});
      if (mapping_.signals.empty()) complain("layout", "layout \"columns\" needs [signals]");
    } else if (name == "long") {
      mapping_.layout = Mapping::Layout::long_;
      unused({"ignore"});
      if (mapping_.value_column.empty()) complain("layout", "layout \"long\" needs value");
      if (mapping_.signal_column.empty() == mapping_.signal.empty()) {
        complain("layout", "layout \"long\" needs signal_column or signal, one of them");
      }
    } else {
      complain("layout", "layout is one of wide, long, columns");
    }
  }

  const Document& document_;
  Mapping mapping_;
  std::optional<Error> failure_;
};

}  // namespace

std::optional<std::string> TwinNaming::id_of(std::string_view name) const {
  if (const auto found = table.find(name); found != table.end()) return found->second;
  std::string id(name);
  if (pattern) {
    std::smatch match;
    // A regular expression's cost grows with the text; names are short.
    if (id.size() > limits::kNameInFileBytes || !std::regex_search(id, match, *pattern)) {
      return std::nullopt;
    }
    id = match[1].str();
  }
  if (normalise) {
    for (char& c : id) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
      if (!kept) c = '-';
    }
    id.erase(0, std::min(id.find_first_not_of("-._"), id.size()));
  }
  return prefix + id;
}

bool TwinNaming::is_plain() const {
  return !pattern && table.empty() && prefix.empty() && !normalise;
}

std::optional<LineNaming::Signal> line_signal_of(std::string_view word) {
  if (word == "field") return LineNaming::Signal::field;
  if (word == "measurement") return LineNaming::Signal::measurement;
  if (word == "measurement.field") return LineNaming::Signal::measurement_field;
  return std::nullopt;
}

bool Mapping::is_missing(std::string_view text) const {
  return std::find(missing.begin(), missing.end(), text) != missing.end();
}

Result<Mapping> read_mapping(std::string_view text, std::string_view file) {
  if (text.size() > limits::kMappingBytes) {
    return make_error(ErrorCode::config_invalid, std::string(file) + " is too large");
  }
  auto document = parse_document(text, file, format_of(file));
  if (!document) return std::move(document).error();
  return MappingReader(*document).read();
}

std::optional<double> parse_number(std::string_view text, char decimal) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  if (text.empty() || text.size() > 64) return std::nullopt;
  char copy[64];
  std::copy(text.begin(), text.end(), copy);
  if (decimal == ',') {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (copy[i] == '.') return std::nullopt;  // a thousand's point, or another convention
      if (copy[i] == ',') copy[i] = '.';
    }
  }
  double value = 0;
  const auto [end, failure] = std::from_chars(copy, copy + text.size(), value);
  if (end != copy + text.size()) return std::nullopt;
  if (failure == std::errc::result_out_of_range) return std::nullopt;
  if (failure != std::errc()) return std::nullopt;
  return value;
}

}  // namespace entente::node
