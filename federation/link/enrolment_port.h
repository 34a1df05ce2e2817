// The sockets of enrolment: a port that is open only while an invitation is, and the call that a
// partner with a token makes to it.
//
// Frames are four bytes of length, big-endian, and a message of security/identity/enrolment.h, at
// most 64 KiB; at most four connections at a time, ten seconds each. Messages are sealed by the
// token's secret, so the plain TCP below tells a listener nothing but that somebody enrols.
// Threads: loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/enrolment.h"

namespace entente::federation {

class Loop;

class EnrolmentPort {
 public:
  struct Parts {
    Loop& loop;
    const Clock& clock;
    Random& random;
    security::InvitationBook& book;
    std::function<security::EnrolmentSelf()> self;
    // Stores the partner and the used-up invitation; the last message is sent once `stored` says
    // so.
    std::function<void(security::Enrolled, std::function<void(Outcome)> stored)> enrolled;
  };
  explicit EnrolmentPort(Parts parts);
  ~EnrolmentPort();

  // Listens at an IP literal; does nothing when it is open. Refuses: port_in_use, invalid_argument.
  [[nodiscard]] Result<std::uint16_t> open(const std::string& host, std::uint16_t port);
  // Stops listening; conversations under way go on to their end.
  void close();
  bool is_open() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The accepting side: talks to the first of the invitation's enrolment addresses that answers.
// Refuses: peer_unreachable, enrolment_refused, deadline_exceeded, and what AcceptingSide refuses.
boost::asio::awaitable<Result<std::shared_ptr<security::Enrolled>>> accept_invitation(
    Loop& loop, const Clock& clock, Random& random, const security::Invitation& invitation,
    security::EnrolmentSelf self);

}  // namespace entente::federation
