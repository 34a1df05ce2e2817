#include "federation/link/method_table.h"

#include <capnp/schema.h>
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "schemas/wire/gate.capnp.h"

using namespace entente;
using namespace entente::federation;

namespace {

// Every interface that a peer can reach from `start` through results, by id.
void reach(capnp::Type type, std::map<std::uint64_t, capnp::InterfaceSchema>& interfaces,
           std::set<std::uint64_t>& structs) {
  if (type.isList()) return reach(type.asList().getElementType(), interfaces, structs);
  if (type.isInterface()) {
    const auto schema = type.asInterface();
    if (!interfaces.emplace(schema.getProto().getId(), schema).second) return;
    for (const auto method : schema.getMethods()) {
      reach(method.getResultType(), interfaces, structs);
      reach(method.getParamType(), interfaces, structs);
    }
  }
  if (type.isStruct() && structs.insert(type.asStruct().getProto().getId()).second) {
    for (const auto field : type.asStruct().getFields()) {
      reach(field.getType(), interfaces, structs);
    }
  }
}

std::map<std::uint64_t, capnp::InterfaceSchema> reachable() {
  std::map<std::uint64_t, capnp::InterfaceSchema> interfaces;
  std::set<std::uint64_t> structs;
  reach(capnp::Schema::from<wire::Gate>(), interfaces, structs);
  return interfaces;
}

// Methods of the schema without a row, and rows without a method.
std::vector<std::string> differences(const MethodTable& table) {
  std::vector<std::string> found;
  std::size_t methods = 0;
  for (const auto& [id, schema] : reachable()) {
    const std::string interface_name = schema.getShortDisplayName().cStr();
    for (const auto method : schema.getMethods()) {
      ++methods;
      const std::string name = interface_name + "." + method.getProto().getName().cStr();
      const MethodRow* row = table.find(id, static_cast<std::uint16_t>(method.getOrdinal()));
      if (row == nullptr) {
        found.push_back("no row for " + name);
      } else if (row->name != name) {
        found.push_back("the row of " + name + " is named " + std::string(row->name));
      }
    }
  }
  if (table.rows().size() != methods) found.push_back("rows without a method");
  return found;
}

}  // namespace

TEST_SUITE("federation/link/method_table") {
  TEST_CASE("every method that a peer can reach has a row, and every row a method") {
    CHECK(differences(MethodTable::standard()) == std::vector<std::string>{});
    CHECK(reachable().size() == 5);
    for (const MethodRow& row : MethodTable::standard().rows()) CHECK_FALSE(row.verb.empty());
  }

  TEST_CASE("the walk over the schema sees a method without a row and a row without a method") {
    auto rows = MethodTable::standard().rows();
    rows.pop_back();
    CHECK(differences(MethodTable(rows)).size() == 2);
    rows = MethodTable::standard().rows();
    rows.push_back({1, 1, "Ghost.walk", MethodClass::ask, "none"});
    CHECK(differences(MethodTable(rows)) == std::vector<std::string>{"rows without a method"});
  }

  TEST_CASE("every method answers with an outcome whose default is a refusal") {
    for (const auto& [id, schema] : reachable()) {
      for (const auto method : schema.getMethods()) {
        CAPTURE(method.getProto().getName().cStr());
        const auto field = method.getResultType().findFieldByName("outcome");
        REQUIRE(field != nullptr);
        KJ_IF_MAYBE (outcome, field) {
          const auto members = outcome->getType().asStruct().getUnionFields();
          REQUIRE(members.size() >= 2);
          CHECK(std::string(members[0].getProto().getName().cStr()) == "refusal");
          CHECK(members[0].getProto().getDiscriminantValue() == 0);
          CHECK(members[0].getType().asStruct().getProto().getId() ==
                capnp::typeId<wire::Refusal>());
        }
      }
    }
  }

  TEST_CASE("capabilities travel only towards the caller") {
    for (const auto& [id, schema] : reachable()) {
      for (const auto method : schema.getMethods()) {
        std::map<std::uint64_t, capnp::InterfaceSchema> taken;
        std::set<std::uint64_t> structs;
        reach(method.getParamType(), taken, structs);
        CHECK(taken.empty());
      }
    }
  }
}
