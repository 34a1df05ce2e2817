#include "node/service/route_table.h"

#include <algorithm>
#include <charconv>

#include "federation/query/suggest.h"
#include "schemas/base/bytes.h"
#include "schemas/base/check.h"

namespace entente::node {
namespace {

constexpr std::string_view kCursorMark = "entente-cursor-1:";

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = path.find('/');
    out.emplace_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
  }
  return out;
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_parameter(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
  }
  return true;
}

// True when `a` has a literal at the first place where only one of them has.
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (is_parameter(a[i]) != is_parameter(b[i])) return is_parameter(b[i]);
  }
  return false;
}

}  // namespace

security::Resource resource_of(const Route& route, const Parameters& path) {
  using enum security::ResourceKind;
  static const std::map<std::string_view, security::ResourceKind> kKinds = {
      {"twins", twin}, {"types", type},           {"exports", export_}, {"systems", system},
      {"links", link}, {"agreements", agreement}, {"budget", budget},   {"collectors", collector}};
  const auto segments = split(route.path);
  if (segments.size() < 3 || segments[0] != "api") return {};
  const auto kind = kKinds.find(segments[2]);
  if (kind == kKinds.end()) return {};
  for (const std::string& segment : segments) {
    if (!is_parameter(segment)) continue;
    const auto value = path.find(segment.substr(1, segment.size() - 2));
    if (value == path.end()) return {kind->second, {}};
    const auto signal = path.find("signal");
    const bool one = (kind->second == twin || kind->second == type) && signal != path.end();
    return {kind->second, one ? value->second + "/" + signal->second : value->second};
  }
  return {kind->second, {}};
}

boost::asio::awaitable<Outcome> authorised(const Authenticator& authenticator, const Route& route,
                                           const Call& call) {
  if (!route.needs) {
    Parameters named = call.path;
    if (const auto signal = call.parameter("signal"); !signal.empty()) {
      named.emplace("signal", signal);
    }
    co_return authenticator.authorise(call.subject, route.verb, resource_of(route, named));
  }
  auto needs = co_await route.needs(call);
  if (!needs) co_return std::move(needs).error();
  for (const Need& need : *needs) {
    if (auto may = authenticator.authorise(call.subject, need.verb, need.resource); !may) {
      co_return may;
    }
  }
  co_return Outcome();
}

std::string_view to_text(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::delete_:
      return "DELETE";
  }
  return "GET";
}

void RouteTable::add(Route route) {
  ENTENTE_CHECK(!route.path.empty() && route.path.front() == '/' && route.handler);
  ENTENTE_CHECK(route.body_bytes <= limits::kHttpLinesBytes);
  auto pattern = split(route.path);
  for (const std::string& segment : pattern) {
    ENTENTE_CHECK(is_parameter(segment) || segment.find_first_of("{}") == std::string::npos);
  }
  for (const Route& other : routes_) {
    ENTENTE_CHECK(other.method != route.method || other.path != route.path);
    ENTENTE_CHECK(other.name != route.name);
  }
  segments_.push_back(std::move(pattern));
  routes_.push_back(std::move(route));
}

const Route* RouteTable::named(std::string_view name) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(),
                                  [&](const Route& route) { return route.name == name; });
  return found == routes_.end() ? nullptr : &*found;
}

RouteTable::Match RouteTable::find(Method method, const std::vector<std::string>& segments) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].method != method || !fits(segments_[i], segments)) continue;
    if (!best || more_literal(segments_[i], segments_[*best])) best = i;
  }
  if (!best) return {};
  Match match{&routes_[*best], {}};
  const auto& pattern = segments_[*best];
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i])) continue;
    match.path.emplace(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
  }
  return match;
}

std::string RouteTable::allowed(const std::vector<std::string>& segments) const {
  std::vector<std::string_view> methods;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!fits(segments_[i], segments)) continue;
    methods.push_back(to_text(routes_[i].method));
    if (routes_[i].method == Method::get) methods.push_back("HEAD");
  }
  if (!methods.empty()) methods.push_back("OPTIONS");
  std::sort(methods.begin(), methods.end());
  methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  std::string out;
  for (const std::string_view method : methods) {
    if (!out.empty()) out += ", ";
    out += method;
  }
  return out;
}

std::vector<std::string> RouteTable::near(std::string_view path) const {
  std::vector<std::string> known;
  for (const Route& route : routes_) {
    if (std::find(known.begin(), known.end(), route.path) == known.end()) {
      known.push_back(route.path);
    }
  }
  return federation::nearest(path, known);
}

Result<Page> page_of(const Call& call) {
  Page page;
  if (const auto text = call.parameter("limit"); !text.empty()) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), page.limit);
    if (fault != std::errc{} || end != text.data() + text.size() || page.limit == 0 ||
        page.limit > limits::kPageSizeMax) {
      return make_error(ErrorCode::invalid_argument, "limit must be a whole number from 1 to " +
                                                         std::to_string(limits::kPageSizeMax));
    }
  }
  const auto cursor = call.parameter("cursor");
  if (cursor.empty()) return page;
  if (cursor.size() <= limits::kCursorBytes) {
    if (const auto raw = from_base64url(cursor)) {
      if (const auto text = text_of(*raw); text.starts_with(kCursorMark)) {
        page.after = text.substr(kCursorMark.size());
        return page;
      }
    }
  }
  return make_error(ErrorCode::invalid_argument, "the cursor is not one that this node gave",
                    "start again without a cursor");
}

std::string cursor_after(std::string_view last_key) {
  return to_base64url(bytes_of(std::string(kCursorMark) + std::string(last_key)));
}

}  // namespace entente::node
