#include <boost/json.hpp>

#include "node/service/json_text.h"
#include "node/service/route_table.h"

namespace entente::node {

std::string_view Call::parameter(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string_view{} : std::string_view(found->second);
}

Result<std::optional<std::string>> Call::optional_text_field(std::string_view name) const {
  const auto* object = json.if_object();
  const auto* field = object == nullptr ? nullptr : object->if_contains(name);
  if (field == nullptr || field->is_null()) return std::optional<std::string>{};
  if (!field->is_string()) {
    return make_error(ErrorCode::invalid_argument,
                      "the field '" + std::string(name) + "' must be a text");
  }
  return std::optional<std::string>(std::string(field->get_string()));
}

Result<std::string> Call::text_field(std::string_view name) const {
  auto field = optional_text_field(name);
  if (!field) return std::move(field).error();
  if (!*field) {
    return make_error(ErrorCode::invalid_argument,
                      "the field '" + std::string(name) + "' is missing");
  }
  return std::move(**field);
}

Reply Reply::json(const boost::json::value& value, int status) {
  Reply reply;
  reply.status = status;
  reply.body = json_text(value);
  return reply;
}

Reply Reply::text(std::string body, std::string content_type) {
  Reply reply;
  reply.content_type = std::move(content_type);
  reply.body = std::move(body);
  return reply;
}

Reply Reply::no_content() {
  Reply reply;
  reply.status = 204;
  reply.content_type.clear();
  return reply;
}

}  // namespace entente::node
