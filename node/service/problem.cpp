#include "node/service/problem.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

namespace entente::node {
namespace {

constexpr std::size_t kQuotedBytes = 200;

std::string title_of(ErrorCode code) {
  std::string title(code_name(code));
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

std::string text_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Reply problem_reply(const Error& error, std::string_view request_id, int status) {
  if (status == 0) status = http_status(error.code);
  // An error whose code means success elsewhere (partial_answer) is still an error here.
  if (status < 400) status = 500;
  const std::string code = code_text(error.code);
  const boost::json::object body{{"type", "urn:entente:error:" + code},
                                 {"title", title_of(error.code)},
                                 {"status", status},
                                 {"detail", error.what},
                                 {"code", code},
                                 {"name", code_name(error.code)},
                                 {"what", error.what},
                                 {"remedy", error.advice()},
                                 {"request_id", request_id}};
  Reply reply = Reply::json(body, status);
  reply.content_type = "application/problem+json";
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"entente\"");
  if (status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Error error_from_problem(int status, std::string_view body) {
  boost::system::error_code fault;
  const auto parsed = boost::json::parse(body, fault);
  if (!fault && parsed.is_object()) {
    const auto& object = parsed.get_object();
    const std::string code = text_at(object, "code");
    std::uint16_t number = 0;
    if (code.starts_with("ENT-")) {
      const char* end = code.data() + code.size();
      const auto read = std::from_chars(code.data() + 4, end, number);
      if (read.ec == std::errc{} && read.ptr == end) {
        return make_error(code_from_number(number), text_at(object, "what"),
                          text_at(object, "remedy"));
      }
    }
  }
  return make_error(ErrorCode::internal,
                    "the server answered " + std::to_string(status) +
                        " with something that is not an Entente problem: " +
                        std::string(body.substr(0, kQuotedBytes)),
                    "see whether the port belongs to an Entente node");
}

}  // namespace entente::node
