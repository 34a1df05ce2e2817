// Keys and charters: what there is, rotations, drafts signed elsewhere, the root key's way off.
#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::pair<std::string_view, KeyPurpose> kPurposes[] = {
    {"ca", KeyPurpose::ca},
    {"answer", KeyPurpose::answer},
    {"audit", KeyPurpose::audit},
    {"envelope", KeyPurpose::envelope},
    {"agreement", KeyPurpose::agreement}};

std::string_view use_of(const Core& core, const PurposeKey& item) {
  const auto waits = core.charters->waiting(item.purpose);
  if (waits && waits->key == item.key) return "next";
  const auto& keys = core.keyring.keys;
  for (const auto* key : {&keys.ca, &keys.answer, &keys.audit, &keys.envelope, &keys.agreement}) {
    if (key->public_key() == item.key) return "in use";
  }
  return "former";
}

json::object key_json(const std::string& purpose, const PublicKey& key, std::string_view state,
                      std::uint32_t since) {
  return {{"purpose", purpose}, {"key", key.hex()},       {"hash", hash_public_key(key).hex()},
          {"state", state},     {"since_version", since}, {"waits_for", json::array()}};
}

awaitable<Result<Reply>> list_keys(Core& core, const Call&) {
  const security::PinnedOrganisation& self = core.keyring.self;
  const Charter& charter = self.current();
  json::array items;
  const auto root = core.charters->shelf().current("root");
  for (const PublicKey& key : charter.root_keys) {
    const bool here = root && *root && (*root)->public_key() == key;
    items.push_back(key_json("root", key, here ? "here" : "elsewhere", 0));
  }
  for (const PurposeKey& item : charter.keys) {
    json::object one = key_json(std::string(security::to_text(item.purpose)), item.key,
                                use_of(core, item), self.named_since(item.purpose, item.key));
    const auto waits = core.charters->waiting(item.purpose);
    if (waits && waits->key == item.key) one["waits_for"] = json::value_from(waits->partners);
    items.push_back(std::move(one));
  }
  for (const auto& [name, purpose] : kPurposes) {
    const auto waits = core.charters->waiting(purpose);
    if (waits && waits->version == 0) {
      items.push_back(key_json(std::string(name), waits->key, "draft", 0));
    }
  }
  const auto leaf = core.certificates->current();
  json::array revoked;
  for (const Hash256& hash : charter.revoked_keys) revoked.push_back(json::value(hash.hex()));
  co_return Reply::json({{"organisation", core.organisation().hex()},
                         {"version", charter.version},
                         {"issued", shown_time(charter.issued)},
                         {"expires", shown_time(charter.expires)},
                         {"days_left", (charter.expires - core.clock.now()).seconds() / 86'400},
                         {"threshold", charter.threshold},
                         {"root_keys", charter.root_keys.size()},
                         {"leaf_expires", shown_time(leaf->not_after)},
                         {"items", std::move(items)},
                         {"revoked", std::move(revoked)}});
}

Result<std::vector<PublicKey>> keys_field(const Call& call, const char* name) {
  std::vector<PublicKey> out;
  const auto* object = call.json.if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains(name);
  if (list == nullptr || list->is_null()) return out;
  const auto bad = make_error(ErrorCode::invalid_argument,
                              std::string(name) + " must be a list of keys of 64 digits");
  if (!list->is_array()) return bad;
  for (const json::value& item : list->get_array()) {
    if (!item.is_string()) return bad;
    auto key = PublicKey::from_hex_text(std::string_view(item.get_string()));
    if (!key) return bad;
    out.push_back(*key);
  }
  return out;
}

Result<bool> flag_field(const Call& call, const char* name) {
  const auto* object = call.json.if_object();
  const auto* flag = object == nullptr ? nullptr : object->if_contains(name);
  if (flag == nullptr || flag->is_null()) return false;
  if (!flag->is_bool()) {
    return make_error(ErrorCode::invalid_argument, std::string(name) + " must be true or false");
  }
  return flag->get_bool();
}

Result<std::optional<std::uint8_t>> threshold_field(const Call& call) {
  const auto* object = call.json.if_object();
  const auto* number = object == nullptr ? nullptr : object->if_contains("threshold");
  if (number == nullptr || number->is_null()) return std::optional<std::uint8_t>();
  const bool fits = number->is_int64() && number->get_int64() > 0 && number->get_int64() <= 16;
  if (!fits) {
    return make_error(ErrorCode::invalid_argument, "threshold must lie between 1 and 16");
  }
  return std::optional(static_cast<std::uint8_t>(number->get_int64()));
}

json::object draft_json(const Core& core, const CharterKeeper::Draft& draft) {
  json::array could;
  for (const PublicKey& key : draft.missing.could_sign) could.push_back(json::value(key.hex()));
  return {{"version", core.keyring.self.current().version + 1},
          {"changes", json::value_from(draft.changes)},
          {"missing_of_old", draft.missing.of_old},
          {"missing_of_new", draft.missing.of_new},
          {"could_sign", std::move(could)},
          {"draft", security::to_text(security::CharterFile{core.keyring.self, draft.charter})}};
}

using Asked = std::function<void(CharterKeeper::Reply)>;

// Runs what answers by an Outcome, and waits.
awaitable<Outcome> outcome_of(Core& core, Asked ask) {
  const auto start = [&](std::function<void(Result<int>)> done) {
    ask([done = std::move(done)](Outcome reached) {
      done(reached ? Result<int>(0) : Result<int>(reached.error()));
    });
  };
  auto reached = co_await await_result<int>(core.loop, start);
  co_return reached ? Outcome{} : Outcome(std::move(reached).error());
}

// Drafts the next charter and, unless it is to be signed elsewhere, puts it into force.
awaitable<Result<Reply>> change_charter(Core& core, const Call& call, RotationRequest request) {
  const auto offline = flag_field(call, "offline");
  if (!offline) co_return offline.error();
  auto draft = core.charters->draft(request, call.dry_run);
  if (!draft) co_return std::move(draft).error();
  json::object out = draft_json(core, *draft);
  if (call.dry_run || *offline) {
    out["state"] = call.dry_run ? "nothing was changed" : "draft";
    if (call.dry_run) out["draft"] = nullptr;
    co_return Reply::json(out);
  }
  if (!draft->missing.complete()) {
    co_return make_error(
        ErrorCode::denied,
        "the charter needs " + std::to_string(draft->missing.of_old) + " more signatures of the " +
            "root keys in force and " + std::to_string(draft->missing.of_new) + " of its own",
        "take it to where the root keys are: the same command with --offline FILE");
  }
  const Asked apply = [&](CharterKeeper::Reply reply) {
    core.charters->apply(actor_of(call), draft->charter, std::move(reply));
  };
  if (auto done = co_await outcome_of(core, apply); !done) co_return std::move(done).error();
  out["state"] = "in force";
  out["draft"] = nullptr;
  co_return Reply::json(out);
}

Result<RotationRequest> rotation_of(const Call& call, const std::string& what) {
  RotationRequest request;
  auto roots = keys_field(call, "roots");
  if (!roots) return std::move(roots).error();
  auto threshold = threshold_field(call);
  if (!threshold) return std::move(threshold).error();
  auto revoke = flag_field(call, "revoke_old");
  if (!revoke) return std::move(revoke).error();
  request.revoke_old = *revoke;
  request.threshold = *threshold;
  if (!roots->empty()) request.roots = std::move(*roots);
  if (what == "root") {
    request.root = !request.roots;
    return request;
  }
  if (request.roots || request.threshold) {
    return make_error(ErrorCode::invalid_argument, "root keys change with 'key rotate root' only");
  }
  for (const auto& [name, purpose] : kPurposes) {
    if (name == what) request.purpose = purpose;
  }
  if (!request.purpose) {
    return make_error(ErrorCode::invalid_argument, "'" + what + "' is no kind of key",
                      "one of leaf, ca, root, answer, audit, envelope, agreement");
  }
  return request;
}

awaitable<Result<Reply>> rotate(Core& core, const Call& call) {
  const std::string what = call.path.at("purpose");
  if (what == "leaf") {
    const Asked renew = [&](CharterKeeper::Reply reply) {
      core.charters->renew_leaf(actor_of(call), std::move(reply));
    };
    if (!call.dry_run) {
      if (auto done = co_await outcome_of(core, renew); !done) co_return std::move(done).error();
    }
    co_return Reply::json({{"state", call.dry_run ? "nothing was changed" : "in use"},
                           {"expires", shown_time(core.certificates->current()->not_after)}});
  }
  auto request = rotation_of(call, what);
  if (!request) co_return std::move(request).error();
  co_return co_await change_charter(core, call, std::move(*request));
}

awaitable<Result<Reply>> use_now(Core& core, const Call& call) {
  const std::string what = call.path.at("purpose");
  for (const auto& [name, purpose] : kPurposes) {
    if (name != what) continue;
    const Asked use = [&, purpose = purpose](CharterKeeper::Reply reply) {
      core.charters->switch_now(actor_of(call), purpose, std::move(reply));
    };
    if (!call.dry_run) {
      if (auto done = co_await outcome_of(core, use); !done) co_return std::move(done).error();
    }
    co_return Reply::json({{"purpose", what}, {"state", "in use"}});
  }
  co_return make_error(ErrorCode::invalid_argument, "'" + what + "' is no kind of key",
                       "one of ca, answer, audit, envelope, agreement");
}

// A key or the hash of one: both have 64 digits, so a key is told by standing in a charter.
Result<RotationRequest> revocation_of(const Core& core, const std::string& text, bool revoke) {
  auto key = PublicKey::from_hex_text(text);
  auto hash = Hash256::from_hex_text(text);
  if (!key || !hash) {
    return make_error(ErrorCode::invalid_argument, "a key, or a key's hash, has 64 digits",
                      "see 'entente key list'");
  }
  RotationRequest request;
  const Charter& charter = core.keyring.self.current();
  const auto named = [&](const PurposeKey& item) {
    return item.key == *key || hash_public_key(item.key) == *hash;
  };
  const auto found = std::find_if(charter.keys.begin(), charter.keys.end(), named);
  if (found != charter.keys.end() && use_of(core, *found) == "in use") {
    return make_error(ErrorCode::conflict,
                      "this " + std::string(security::to_text(found->purpose)) + " key is in use",
                      "entente key rotate " + std::string(security::to_text(found->purpose)) +
                          (revoke ? " --revoke-old" : ""));
  }
  if (found != charter.keys.end()) {
    if (revoke) request.revoke = {hash_public_key(found->key)};
    if (!revoke) request.drop = {found->key};
    return request;
  }
  if (!revoke) {
    return make_error(ErrorCode::not_found, "the charter names no such key",
                      "see 'entente key list'");
  }
  for (const KeyPurpose purpose : {KeyPurpose::ca, KeyPurpose::answer, KeyPurpose::audit,
                                   KeyPurpose::envelope, KeyPurpose::agreement}) {
    for (const PublicKey& former : core.keyring.self.keys_ever(purpose)) {
      if (former == *key) request.revoke = {hash_public_key(former)};
    }
  }
  if (request.revoke.empty()) request.revoke = {*hash};
  return request;
}

awaitable<Result<Reply>> end_key(Core& core, const Call& call, bool revoke) {
  auto text = call.text_field("key");
  if (!text) co_return std::move(text).error();
  auto request = revocation_of(core, *text, revoke);
  if (!request) co_return std::move(request).error();
  co_return co_await change_charter(core, call, std::move(*request));
}

awaitable<Result<Reply>> apply_charter(Core& core, const Call& call) {
  auto text = call.text_field("file");
  if (!text) co_return std::move(text).error();
  auto file = security::charter_file_from_text(*text);
  if (!file) co_return std::move(file).error();
  if (file->organisation.id() != core.organisation()) {
    co_return make_error(ErrorCode::charter_invalid, "this charter is another organisation's");
  }
  auto missing = security::missing_signatures(core.keyring.self, file->draft);
  if (!missing) co_return std::move(missing).error();
  auto after = charter_from_bytes(file->draft.charter);
  if (!after) co_return std::move(after).error();
  CharterKeeper::Draft draft{file->draft, *missing,
                             security::changes_of(core.keyring.self.current(), *after)};
  json::object out = draft_json(core, draft);
  out["draft"] = nullptr;
  if (call.dry_run) {
    out["state"] = "nothing was changed";
    co_return Reply::json(out);
  }
  const Asked apply = [&](CharterKeeper::Reply reply) {
    core.charters->apply(actor_of(call), file->draft, std::move(reply));
  };
  if (auto done = co_await outcome_of(core, apply); !done) co_return std::move(done).error();
  out["state"] = "in force";
  co_return Reply::json(out);
}

// The root key, to its owner, over the node's own API: what is done with it is audited first.
awaitable<Result<Reply>> export_root(Core& core, const Call& call) {
  auto root = core.charters->shelf().current("root");
  if (!root) co_return std::move(root).error();
  if (!*root) {
    co_return make_error(ErrorCode::not_found, "no root key is kept here",
                         "it was taken off this node");
  }
  // Whoever holds it signs charters alone, and an approval's reply goes to the approver.
  if (core.policy.needs_two(security::Step::rotate_charter)) {
    co_return make_error(ErrorCode::denied,
                         "charters take two persons here: the root key is handed to nobody",
                         "waive the step by two persons, export it, and reserve it again");
  }
  const std::string key = (*root)->public_key().hex();
  if (call.dry_run) co_return Reply::json({{"key", key}, {"root", nullptr}});
  const Asked told = [&](CharterKeeper::Reply reply) {
    core.charters->note(actor_of(call), "key.root.export", "key:" + key, std::move(reply));
  };
  if (auto done = co_await outcome_of(core, told); !done) co_return std::move(done).error();
  co_return Reply::json({{"key", key}, {"root", security::root_key_to_text(**root)}});
}

// Only for who shows that he has it: its public half.
awaitable<Result<Reply>> remove_root(Core& core, const Call& call) {
  auto text = call.text_field("key");
  if (!text) co_return std::move(text).error();
  auto root = core.charters->shelf().current("root");
  if (!root) co_return std::move(root).error();
  if (!*root || (*root)->public_key().hex() != *text) {
    co_return make_error(ErrorCode::not_found, "this root key is not kept here");
  }
  if (call.dry_run) co_return Reply::json({{"key", *text}, {"state", "nothing was changed"}});
  const Asked told = [&](CharterKeeper::Reply reply) {
    core.charters->note(actor_of(call), "key.root.remove", "key:" + *text, std::move(reply));
  };
  if (auto done = co_await outcome_of(core, told); !done) co_return std::move(done).error();
  if (auto done = core.charters->shelf().remove_root(); !done) co_return std::move(done).error();
  co_return Reply::json({{"key", *text}, {"state", "removed"}});
}

}  // namespace

void add_key_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const auto ending = [&core](bool revoke) {
    return [&core, revoke](const Call& call) { return end_key(core, call, revoke); };
  };
  table.add({Method::get, "/api/v1/keys", Verb::read_links, "listKeys",
             "This organisation's keys and the charter that names them", BodyKind::none,
             with(list_keys)});
  const auto charter_step = [&table](Route route) {
    table.add(for_two_persons(security::Step::rotate_charter, std::move(route)));
  };
  charter_step({Method::post, "/api/v1/keys/{purpose}/rotate", Verb::manage_keys, "rotateKey",
                "Makes a new key and the charter that names it", BodyKind::json, with(rotate)});
  charter_step({Method::post, "/api/v1/keys/{purpose}/use", Verb::manage_keys, "useKey",
                "Uses a new key without waiting for partners", BodyKind::json, with(use_now)});
  charter_step({Method::post, "/api/v1/keys/revoke", Verb::manage_keys, "revokeKey",
                "Revokes a key by a new charter", BodyKind::json, ending(true)});
  charter_step({Method::post, "/api/v1/keys/retire", Verb::manage_keys, "retireKey",
                "Names a former key no more", BodyKind::json, ending(false)});
  table.add({Method::post, "/api/v1/keys/root/export", Verb::manage_keys, "exportRootKey",
             "Hands the root key to its owner", BodyKind::json, with(export_root)});
  charter_step({Method::post, "/api/v1/keys/root/remove", Verb::manage_keys, "removeRootKey",
                "Takes the root key off this node", BodyKind::json, with(remove_root)});
  charter_step({Method::post, "/api/v1/charter/apply", Verb::manage_keys, "applyCharter",
                "Puts a charter that was signed elsewhere into force", BodyKind::json,
                with(apply_charter)});
}

}  // namespace entente::node
