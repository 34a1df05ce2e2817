// What may be done, and who usually may: the closed lists behind every decision.
//
// A verb is added here and nowhere else; the table of roles below must then name it, or the build
// fails. Roles are allow-only: a person with two roles may do what either may.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace entente::security {

// X(verb): what local users do, then what partners do.
#define ENTENTE_VERBS(X)                                                                      \
  X(read_status) X(read_twins) X(write_twins) X(write_readings) X(ask) X(preview)             \
  X(read_links) X(manage_links) X(read_agreements) X(manage_agreements) X(read_budgets)       \
  X(manage_budgets) X(read_policy) X(manage_roles) X(read_audit) X(manage_keys)               \
  X(cut_links) X(disable_users) X(restore_policy) X(make_backups)                             \
  X(partner_session) X(partner_ask) X(partner_agreements)

enum class Verb : std::uint8_t {
#define X(name) name,
  ENTENTE_VERBS(X)
#undef X
};
inline constexpr std::size_t kVerbs = 0
#define X(name) +1
    ENTENTE_VERBS(X)
#undef X
    ;

enum class Role : std::uint8_t {
  owner,
  admin,
  privacy_officer,
  operator_,
  analyst,
  auditor,
  service
};
inline constexpr std::size_t kRoles = 7;

// "manage_links"; "privacy-officer", "operator".
std::string_view to_text(Verb verb);
std::string_view to_text(Role role);
std::optional<Verb> verb_from_text(std::string_view text);
std::optional<Role> role_from_text(std::string_view text);

// What break-glass may do: end what harms and see how the node stands. It opens nothing, reads no
// data and touches no budget.
constexpr bool break_glass_allows(Verb verb) {
  return verb == Verb::read_status || verb == Verb::read_links || verb == Verb::read_policy ||
         verb == Verb::cut_links || verb == Verb::disable_users || verb == Verb::restore_policy;
}

// What only a partner organisation does, over a link.
constexpr bool is_partner_verb(Verb verb) {
  return verb >= Verb::partner_session;
}

// The built-in roles, a row for each verb. Read: the auditor sees rules and records, no
// reading, and changes nothing; the privacy officer raises budgets and cannot ask; the admin links
// and agrees but sets no budget; the operator looks after assets; the service (an adapter) writes
// readings and nothing else. A backup is sealed: whoever makes it need not be able to read it.
// Cutting a link is a verb of its own, since it stays possible when opening one is not.
struct RoleRow {
  Verb verb;
  // owner, admin, privacy officer, operator, analyst, auditor, service
  std::array<bool, kRoles> allowed;
};
// clang-format off
inline constexpr std::array<RoleRow, kVerbs> kRoleTable = {{
    {Verb::read_status,        {1, 1, 1, 1, 1, 1, 1}},
    {Verb::read_twins,         {1, 1, 0, 1, 1, 0, 0}},
    {Verb::write_twins,        {1, 1, 0, 1, 0, 0, 0}},
    {Verb::write_readings,     {1, 0, 0, 1, 0, 0, 1}},
    {Verb::ask,                {1, 0, 0, 1, 1, 0, 0}},
    {Verb::preview,            {1, 1, 1, 1, 1, 1, 0}},
    {Verb::read_links,         {1, 1, 1, 1, 1, 1, 0}},
    {Verb::manage_links,       {1, 1, 0, 0, 0, 0, 0}},
    {Verb::read_agreements,    {1, 1, 1, 1, 1, 1, 0}},
    {Verb::manage_agreements,  {1, 1, 0, 0, 0, 0, 0}},
    {Verb::read_budgets,       {1, 1, 1, 1, 1, 1, 0}},
    {Verb::manage_budgets,     {1, 0, 1, 0, 0, 0, 0}},
    {Verb::read_policy,        {1, 1, 1, 0, 0, 1, 0}},
    {Verb::manage_roles,       {1, 1, 0, 0, 0, 0, 0}},
    {Verb::read_audit,         {1, 0, 1, 0, 0, 1, 0}},
    {Verb::manage_keys,        {1, 0, 0, 0, 0, 0, 0}},
    {Verb::cut_links,          {1, 1, 0, 0, 0, 0, 0}},
    {Verb::disable_users,      {1, 1, 0, 0, 0, 0, 0}},
    {Verb::restore_policy,     {1, 0, 0, 0, 0, 0, 0}},
    {Verb::make_backups,       {1, 1, 0, 1, 0, 0, 0}},
    {Verb::partner_session,    {0, 0, 0, 0, 0, 0, 0}},
    {Verb::partner_ask,        {0, 0, 0, 0, 0, 0, 0}},
    {Verb::partner_agreements, {0, 0, 0, 0, 0, 0, 0}},
}};
// clang-format on

constexpr bool role_allows(Role role, Verb verb) {
  return kRoleTable[static_cast<std::size_t>(verb)].allowed[static_cast<std::size_t>(role)];
}

// Roles that one person may not hold together: an auditor would audit their own acts, a privacy
// officer would raise the budget of their own questions. The owner stands outside: whoever owns a
// small organisation holds every role but auditor and privacy officer by being owner.
constexpr bool roles_exclude(Role one, Role other) {
  if (one > other) return roles_exclude(other, one);
  if (other == Role::auditor) return one <= Role::admin;
  return (one == Role::privacy_officer && role_allows(other, Verb::ask)) ||
         (other == Role::privacy_officer && role_allows(one, Verb::ask));
}

// Duties that one person may not unite, told by verbs, for roles that a policy defines itself: who
// looks into the audit log administers nothing, who raises budgets asks nothing.
constexpr bool administers(Verb verb) {
  return verb == Verb::manage_links || verb == Verb::manage_agreements ||
         verb == Verb::manage_roles || verb == Verb::manage_keys;
}
constexpr bool verbs_exclude(Verb one, Verb other) {
  return (one == Verb::read_audit && administers(other)) ||
         (other == Verb::read_audit && administers(one)) ||
         (one == Verb::manage_budgets && other == Verb::ask) ||
         (other == Verb::manage_budgets && one == Verb::ask);
}

// Steps that a policy may reserve for two persons. waive_step, taking such a reserve back, is
// reserved while any other is, and so in no list.
#define ENTENTE_STEPS(X)                                                                \
  X(activate_link)                                                                      \
  X(raise_budget) X(sign_agreement) X(rotate_charter) X(restore_policy) X(change_roles) \
      X(waive_step)

enum class Step : std::uint8_t {
#define X(name) name,
  ENTENTE_STEPS(X)
#undef X
};
inline constexpr std::size_t kSteps = 0
#define X(name) +1
    ENTENTE_STEPS(X)
#undef X
    ;
std::string_view to_text(Step step);
// Nothing for waive_step.
std::optional<Step> step_from_text(std::string_view text);
// The verb that who approves the step needs, as much as who requests it.
Verb verb_of(Step step);

// "read_status, read_twins, …": the allowed words, for refusals.
std::string verb_words();  // of local users
std::string role_words();
std::string step_words();

}  // namespace entente::security
