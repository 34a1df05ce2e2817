// One table of everything the HTTP edge answers: the single source for dispatch, the words of
// refusals, and (later) the OpenAPI description.
//
// A handler is a coroutine on the loop: it never blocks, and what it needs from workers, store or
// RPC comes back through awaitables. It returns a Reply, or an Error that becomes RFC 9457
// problem+json with the error's own status. An exception becomes ENT-1009 and a log line.
// The edge puts no deadline on a handler: whoever waits inside it brings one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/service/authenticator.h"
#include "node/service/limits.h"
#include "schemas/base/result.h"

namespace entente::node {

enum class Method { get, post, put, delete_ };
std::string_view to_text(Method method);

// json: parsed, at most HttpLimits::json_bytes. text: as it came (TOML), same limit.
// json_or_text: json when the content type says so, text otherwise. lines: streamed, see
// BodyStream.
enum class BodyKind { none, json, text, json_or_text, lines };

// open: no token needed; nothing about the node's content may be told.
enum class Access { token, open };

// A streamed body, decompressed on the way. Loop only; one call at a time.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // The next whole lines, each with its line feed (the last may lack it), about kHttpChunkBytes at
  // once; empty at the end. Refuses: payload_too_large, deadline_exceeded, invalid_argument
  // (broken gzip, client gone). After a refusal the connection is closed.
  virtual boost::asio::awaitable<Result<std::string>> next_lines() = 0;
};

// One request, checked as far as the edge can: authenticated, authorised, body read and parsed.
struct Call {
  std::string request_id;
  Subject subject;
  Parameters path;              // "{id}" of the template, percent-decoded
  Parameters query;             // percent-decoded; of a repeated name the last counts
  std::string content_type;     // lower case, without parameters
  std::string body;             // json, text
  boost::json::value json;      // json
  BodyStream* lines = nullptr;  // lines; lives as long as the call
  bool dry_run = false;         // ?dryRun=1: say what would happen, change nothing

  // Empty when absent.
  std::string_view parameter(std::string_view name) const;
  // A field of the JSON body. Refuses (invalid_argument) with the field's name: absent or no text.
  [[nodiscard]] Result<std::string> text_field(std::string_view name) const;
  // Nothing when absent or null; refuses what is no text.
  [[nodiscard]] Result<std::optional<std::string>> optional_text_field(std::string_view name) const;
};

// Chunks until an empty one; an error in the middle cuts the connection, so that nobody takes the
// part for the whole.
using ReplyStream = std::function<boost::asio::awaitable<Result<std::string>>()>;

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  ReplyStream stream;  // instead of body
  std::vector<std::pair<std::string, std::string>> headers;

  static Reply json(const boost::json::value& value, int status = 200);
  static Reply text(std::string body, std::string content_type = "text/plain; charset=utf-8");
  static Reply no_content();
};

using Handler = std::function<boost::asio::awaitable<Result<Reply>>(const Call&)>;

// One thing that a request would do.
struct Need {
  Verb verb = Verb::read_status;
  security::Resource resource;
};
using NeedsOf = std::function<boost::asio::awaitable<Result<std::vector<Need>>>(const Call&)>;

struct ParameterSpec {
  std::string name;
  std::string summary;
  bool required = false;
};

struct Route {
  Method method = Method::get;
  std::string path;  // "/api/v1/twins/{id}"
  Verb verb = Verb::read_status;
  std::string name;     // operation id: "showTwin"
  std::string summary;  // one sentence
  BodyKind body = BodyKind::none;
  Handler handler;
  Access access = Access::token;
  std::vector<ParameterSpec> parameters = {};  // of the query
  // A whole body's limit instead of HttpLimits' own, at most kHttpLinesBytes; 0: that one.
  std::size_t body_bytes = 0;
  // What a request needs when verb and path do not say it, like the target that a question names:
  // read from the call once its body is there, and authorised instead of them, all of it.
  NeedsOf needs = {};
  // The step that this is, for policies that reserve it for two persons.
  std::optional<security::Step> two_person_step = {};
};

// The route, as a step that a policy may reserve for two persons.
inline Route for_two_persons(security::Step step, Route route) {
  route.two_person_step = step;
  return route;
}

// What a request to this route is about, for the decision: the folder below /api/v1 says the kind
// ("twins" a twin, "links" a link, …), the first parameter its name, with none the kind as a whole;
// any other folder is the node itself. Of a twin or type, the parameter "signal" is one property.
security::Resource resource_of(const Route& route, const Parameters& path);

// Whether this call may be, by needs or by verb and path. Refuses: denied, what `needs` refuses.
// `route` and `call` outlive it.
boost::asio::awaitable<Outcome> authorised(const Authenticator& authenticator, const Route& route,
                                           const Call& call);

// The last look at a call that is authorised and whose body is read. Threads: loop only.
class CallGate {
 public:
  virtual ~CallGate() = default;
  // Nothing: the handler runs. A reply is sent instead of running it.
  virtual boost::asio::awaitable<Result<std::optional<Reply>>> before(const Route& route,
                                                                      const Call& call) = 0;
};

// Filled at start, then constant. Threads: loop only.
class RouteTable {
 public:
  // A malformed template, or a method and path already present, is a bug and ends the process.
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    Parameters path;
  };
  // `segments` are percent-decoded. HEAD is looked up as GET by the caller. Literal segments win
  // over parameters, from the left.
  Match find(Method method, const std::vector<std::string>& segments) const;
  // The route with this operation id, or null.
  const Route* named(std::string_view name) const;
  // For 405 and OPTIONS: the methods this path has, "GET, HEAD, POST"; empty when it has none.
  std::string allowed(const std::vector<std::string>& segments) const;
  // For 404: templates near this path, nearest first, at most three.
  std::vector<std::string> near(std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> segments_;  // of routes_[i].path
};

// A page of a listing: at most `limit` rows after the row whose key is `after` (empty: the first).
struct Page {
  std::size_t limit = limits::kPageSize;
  std::string after;
};
// From ?limit= and ?cursor=. Refuses (invalid_argument): no number, 0, above kPageSizeMax, or a
// cursor that this node did not make.
[[nodiscard]] Result<Page> page_of(const Call& call);
// The opaque text for `next`: whoever sends it back continues after `last_key`.
std::string cursor_after(std::string_view last_key);

}  // namespace entente::node
