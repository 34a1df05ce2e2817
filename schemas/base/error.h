// Error codes: one number per reaction of a caller, the same in CLI, HTTP and console (ENT-nnnn).
//
// A code exists only if somebody acts on it differently. The table below is the single source for
// the code's name, its process exit code and its HTTP status; `explain()` gives the text for
// people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace entente {

// X(name, number, exit code, HTTP status, reaction)
#define ENTENTE_ERROR_CODES(X)                                                              \
  X(invalid_argument, 1001, 2, 400, "correct the named argument and try again")             \
  X(config_invalid, 1002, 2, 400, "correct the file at the named place")                    \
  X(not_found, 1003, 3, 404, "list what exists and use one of those names")                 \
  X(conflict, 1004, 7, 409, "look at the current state, then decide")                       \
  X(input_unreadable, 1005, 1, 400, "correct the file or its mapping")                      \
  X(unauthenticated, 1006, 4, 401, "present the token that init wrote")                     \
  X(overloaded, 1007, 1, 503, "wait as long as said, then try again")                       \
  X(unsupported, 1008, 2, 501, "use what this version offers")                              \
  X(internal, 1009, 1, 500, "report it with the log line of that request")                  \
  X(node_not_running, 1010, 6, 503, "start it with 'entente serve'")                        \
  X(payload_too_large, 1011, 2, 413, "send less at once")                                   \
  X(token_invalid, 2001, 2, 400, "ask the partner for a new invitation")                    \
  X(certificate_refused, 2002, 4, 403, "see the link's last error; compare charters")       \
  X(charter_invalid, 2003, 8, 400, "obtain the partner's charter again")                    \
  X(link_not_active, 2004, 6, 409, "see 'entente link list': whose turn it is")             \
  X(enrolment_refused, 2005, 4, 403, "make a new invitation")                               \
  X(protocol_violation, 2006, 6, 502, "the link was closed; the peer runs faulty software") \
  X(denied, 3001, 4, 403, "ask an administrator for a grant")                               \
  X(agreement_missing, 3002, 4, 403, "propose an agreement and have it signed")             \
  X(agreement_invalid, 3003, 2, 400, "correct the agreement at the named place")            \
  X(query_syntax, 4001, 2, 400, "correct the question at the marked character")             \
  X(query_unknown_name, 4002, 3, 404, "use one of the names offered")                       \
  X(query_unsupported, 4003, 2, 501, "ask with an aggregate that is answered now")          \
  X(shape_refused, 4004, 4, 403, "stay within the export's bounds, ticks and keys")         \
  X(group_too_small, 4005, 4, 403, "ask for larger groups")                                 \
  X(window_open, 4006, 7, 409, "ask again after the named time")                            \
  X(budget_exhausted, 5001, 5, 409, "ask for less, or about other blocks")                  \
  X(epsilon_refused, 5002, 5, 400, "ask with an epsilon within the named range")            \
  X(reconcile_needed, 5003, 5, 409,                                                         \
    "an administrator of that site runs 'entente budget reconcile'")                        \
  X(peer_unreachable, 6001, 6, 502, "see 'entente link list'; the link reconnects itself")  \
  X(deadline_exceeded, 6002, 6, 504, "ask again, or allow more time")                       \
  X(partial_answer, 6003, 6, 200, "see the coverage: who is missing and why")               \
  X(store_failed, 7001, 1, 503, "see the disk and the log; nothing was acknowledged")       \
  X(disk_full, 7002, 1, 507, "free space; the node goes on by itself")                      \
  X(port_in_use, 7003, 7, 409, "stop the other process or choose another port")             \
  X(verification_failed, 8001, 8, 422, "do not trust this; obtain it again")                \
  X(replayed, 8002, 8, 409, "sign a new envelope with a fresh id")                          \
  X(stale, 8003, 8, 409, "compare clocks; sign a new envelope")                             \
  X(version_too_new, 9001, 9, 426, "run a newer entente")

enum class ErrorCode : std::uint16_t {
#define X(name, number, exit_code, http, reaction) name = number,
  ENTENTE_ERROR_CODES(X)
#undef X
};

// "ENT-5001".
std::string code_text(ErrorCode code);
// "budget_exhausted".
std::string_view code_name(ErrorCode code);
// What the caller can do about it: one sentence without full stop.
std::string_view reaction(ErrorCode code);
int exit_code(ErrorCode code);
int http_status(ErrorCode code);
// The code with this number; `internal` for one this version does not know.
ErrorCode code_from_number(std::uint16_t number);

// An outcome that the caller acts on. `what` says what happened and why, with names and places but
// never a reading's value; `remedy` what to do (the code's reaction when empty).
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string what;
  std::string remedy;

  std::string_view advice() const { return remedy.empty() ? reaction(code) : remedy; }
  // "ENT-1003 not found: …; list what exists …", for logs.
  std::string text() const;
};

inline Error make_error(ErrorCode code, std::string what, std::string remedy = {}) {
  return {code, std::move(what), std::move(remedy)};
}

}  // namespace entente
