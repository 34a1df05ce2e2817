// The definitions of system twins: those of the files of provision.d, and those that were declared
// while the node serves. Each change is a new version, kept with its time and canonical text, and
// recorded in the audit log in the same transaction.
//
// A file that declares another text than before, or none any more, is a new version at the next
// start or reload; what the API declared lives until it is removed there. A name belongs to the one
// or to the other: the API refuses to change what a file declares. Threads: loop, but for load().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "node/config/declarations.h"
#include "node/store/system_shelf.h"
#include "schemas/base/clock.h"

namespace entente::node {

// A system in force, with the version it is of.
struct DeclaredSystem {
  federation::SystemTwin twin;
  SystemVersion version;
};

class SystemRegister {
 public:
  using All = std::map<std::string, DeclaredSystem, std::less<>>;

  // `changed` is called after each change and after load.
  SystemRegister(SystemShelf& shelf, const Clock& clock, std::string site,
                 std::function<void()> changed);
  // Before the loop runs. Refuses: store_failed, config_invalid (a kept definition that this
  // version does not read).
  [[nodiscard]] Outcome load(const SystemTwins& in_files);

  // Immutable; another one after each change.
  std::shared_ptr<const All> all() const { return all_; }
  std::shared_ptr<const SystemTwins> twins() const { return twins_; }
  // Refuses: not_found, with the nearest names.
  [[nodiscard]] Result<DeclaredSystem> named(std::string_view name) const;

  // What a text declares, which must be one system and nothing else. Refuses: config_invalid.
  [[nodiscard]] Result<federation::SystemTwin> read(std::string_view text) const;
  enum class Existing { refuse, replace };
  // Whether it may be declared now. Refuses: conflict (a file declares it; it exists, unless
  // `replace`; its name is an export's).
  [[nodiscard]] Outcome may_declare(const federation::SystemTwin& twin, Existing existing,
                                    const std::set<std::string>& exports) const;

  using Done = std::function<void(Result<DeclaredSystem>)>;
  // The same definition again changes nothing. `done` is called on the loop after the commit.
  void declare(federation::SystemTwin twin, const std::string& actor, Done done);
  // Its history stays. Refuses through `done`: not_found, conflict (a file declares it).
  void remove(const std::string& name, const std::string& actor, Done done);
  // Names whose files say something else than what is in force; and puts that in force.
  std::vector<std::string> changed_by(const SystemTwins& in_files) const;
  void adopt(const SystemTwins& in_files, std::function<void(Outcome)> done);

 private:
  std::vector<DeclaredSystem> changes_of(const SystemTwins& in_files) const;
  std::uint32_t next_version(const std::string& name) const;
  void put(DeclaredSystem declared);

  SystemShelf& shelf_;
  const Clock& clock_;
  const std::string site_;
  const std::function<void()> changed_;
  std::shared_ptr<const All> all_ = std::make_shared<All>();
  std::shared_ptr<const SystemTwins> twins_ = std::make_shared<SystemTwins>();
  std::map<std::string, std::uint32_t> versions_;  // the newest of each name, also of removed ones
  std::set<std::string> changing_;
  bool loaded_ = false;
};

inline constexpr const char* kDeclaredHere = "node";  // SystemVersion::source of the API's
inline constexpr const char* kDeclaredInFile = "file";

}  // namespace entente::node
