// Errors on the wire of HTTP: RFC 9457 "problem details", the same words as on the command line.
//
//   {"type":"urn:entente:error:ENT-1003","title":"not found","status":404,"detail":"no twin 'x'",
//    "code":"ENT-1003","name":"not_found","what":"no twin 'x'","remedy":"list what exists …",
//    "request_id":"…"}
#pragma once

#include <string>
#include <string_view>

#include "node/service/route_table.h"
#include "schemas/base/error.h"

namespace entente::node {

// `status` 0: the code's own. 401 carries WWW-Authenticate; 503 Retry-After.
Reply problem_reply(const Error& error, std::string_view request_id, int status = 0);

// The error that a problem body states; `internal` with the status and the start of the body when
// it is no problem of ours.
Error error_from_problem(int status, std::string_view body);

}  // namespace entente::node
