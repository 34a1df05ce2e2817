// Every method a peer may call, with what the choke point needs to know about it.
//
// A method without a row is refused at run time, and a test that walks the schema fails before
// that. The table is data of the callee; the caller reads classes from it to pace itself.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace entente::federation {

// What a method costs: `ask` reaches data, `admin` changes or opens something, `bulk` is cheap and
// frequent. Rates and time limits follow the class; only ask and admin leave an audit intent.
enum class MethodClass : std::uint8_t { ask, admin, bulk };

struct MethodRow {
  std::uint64_t interface_id;
  std::uint16_t method_id;
  std::string_view name;  // "Questions.ask", for log and audit
  MethodClass klass;
  std::string_view verb;  // of the policy: what `decide` is asked about
};

// Immutable once made. Threads: any.
class MethodTable {
 public:
  // The rows of schemas/wire/gate.capnp.
  static const MethodTable& standard();
  explicit MethodTable(std::vector<MethodRow> rows);

  // Null for a method without a row.
  const MethodRow* find(std::uint64_t interface_id, std::uint16_t method_id) const;
  const std::vector<MethodRow>& rows() const { return rows_; }

 private:
  struct Key {
    std::uint64_t interface_id;
    std::uint16_t method_id;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return key.interface_id * 31 + key.method_id; }
  };
  std::vector<MethodRow> rows_;
  std::unordered_map<Key, std::size_t, KeyHash> index_;
};

}  // namespace entente::federation
