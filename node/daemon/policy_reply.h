// What the handlers that change the policy share.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "node/daemon/core.h"
#include "node/service/route_table.h"
#include "security/policy/policy_change.h"

namespace entente::node {

// The caller as who makes a change.
security::PolicyActor acting(const Core& core, const Call& call);

// Users, grants and roles, as GET /api/v1/access shows them.
boost::json::object policy_json(const Core& core, const security::Policy& policy);

// Puts `next` in force and shows it, or with ?dryRun=1 says what it would be.
boost::asio::awaitable<Result<Reply>> put_in_force(Core& core, const Call& call,
                                                   Result<security::Policy> next,
                                                   std::string action, std::string what);

}  // namespace entente::node
