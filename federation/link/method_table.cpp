#include "federation/link/method_table.h"

#include <capnp/schema.h>

#include "schemas/base/check.h"
#include "schemas/wire/gate.capnp.h"

namespace entente::federation {

MethodTable::MethodTable(std::vector<MethodRow> rows) : rows_(std::move(rows)) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const bool fresh = index_.emplace(Key{rows_[i].interface_id, rows_[i].method_id}, i).second;
    ENTENTE_CHECK(fresh);
  }
}

const MethodRow* MethodTable::find(std::uint64_t interface_id, std::uint16_t method_id) const {
  const auto found = index_.find(Key{interface_id, method_id});
  return found == index_.end() ? nullptr : &rows_[found->second];
}

const MethodTable& MethodTable::standard() {
  using enum MethodClass;
  const auto gate = capnp::typeId<wire::Gate>();
  const auto session = capnp::typeId<wire::Session>();
  const auto questions = capnp::typeId<wire::Questions>();
  const auto agreements = capnp::typeId<wire::Agreements>();
  const auto feeds = capnp::typeId<wire::Feeds>();
  static const MethodTable table({
      {gate, 0, "Gate.open", admin, "link.open"},
      {session, 0, "Session.ping", bulk, "link.ping"},
      {session, 1, "Session.questions", admin, "link.open"},
      {session, 2, "Session.agreements", admin, "link.open"},
      {session, 3, "Session.witness", admin, "link.witness"},
      {session, 4, "Session.feeds", admin, "link.open"},
      {session, 5, "Session.charters", admin, "link.charters"},
      {questions, 0, "Questions.ask", ask, "question.ask"},
      {agreements, 0, "Agreements.propose", admin, "agreement.propose"},
      {agreements, 1, "Agreements.settle", admin, "agreement.settle"},
      {agreements, 2, "Agreements.terminate", admin, "agreement.terminate"},
      {agreements, 3, "Agreements.tell", admin, "agreement.tell"},
      {feeds, 0, "Feeds.start", ask, "feed.start"},
      {feeds, 1, "Feeds.pull", ask, "feed.pull"},
      {feeds, 2, "Feeds.cancel", ask, "feed.cancel"},
  });
  return table;
}

}  // namespace entente::federation
