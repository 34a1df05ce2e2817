#include "node/daemon/system_register.h"

#include <algorithm>

#include "federation/query/suggest.h"
#include "node/config/strict_toml.h"
#include "schemas/base/log.h"

namespace entente::node {

SystemRegister::SystemRegister(SystemShelf& shelf, const Clock& clock, std::string site,
                               std::function<void()> changed)
    : shelf_(shelf), clock_(clock), site_(std::move(site)), changed_(std::move(changed)) {}

Outcome SystemRegister::load(const SystemTwins& in_files) {
  auto all = std::make_shared<All>();
  for (SystemVersion& version : shelf_.versions()) {
    versions_[version.name] = version.version;
    all->erase(version.name);
    if (version.text.empty()) continue;
    auto twin = read(version.text);
    if (!twin) {
      // What a file declares is read from there; the rest would be gone without a word.
      if (version.source == kDeclaredInFile) continue;
      return make_error(ErrorCode::config_invalid,
                        "the system twin '" + version.name + "', version " +
                            std::to_string(version.version) +
                            ", does not read: " + twin.error().what,
                        "start the version of the software that declared it");
    }
    const std::string name = version.name;
    all->emplace(name, DeclaredSystem{std::move(*twin), std::move(version)});
  }
  all_ = std::move(all);
  std::vector<SystemVersion> added;
  std::vector<DeclaredSystem> changes = changes_of(in_files);
  for (const DeclaredSystem& change : changes) added.push_back(change.version);
  if (auto kept = shelf_.declare_at_start(added); !kept) return kept;
  for (DeclaredSystem& change : changes) put(std::move(change));
  auto twins = std::make_shared<SystemTwins>();
  for (const auto& [name, one] : *all_) twins->emplace(name, one.twin);
  twins_ = std::move(twins);
  loaded_ = true;
  changed_();
  return {};
}

Result<DeclaredSystem> SystemRegister::named(std::string_view name) const {
  const auto found = all_->find(name);
  if (found != all_->end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [one, declared] : *all_) known.push_back(one);
  return make_error(
      ErrorCode::not_found,
      "there is no system twin '" + std::string(name) + "'" + federation::did_you_mean(name, known),
      "see 'entente system list'");
}

Result<federation::SystemTwin> SystemRegister::read(std::string_view text) const {
  Declarations declared;
  constexpr const char* kPlace = "the declaration";
  const auto parsed = parse_toml(text, kPlace, ErrorCode::config_invalid);
  if (!parsed) return parsed.error();
  if (auto read = read_declarations(text, kPlace, site_, declared); !read) {
    return std::move(read).error();
  }
  if (parsed->size() != 1 || declared.systems.size() != 1) {
    return make_error(ErrorCode::config_invalid,
                      "the text must declare one system twin, [system.NAME], and nothing else");
  }
  return std::move(declared.systems.begin()->second);
}

Outcome SystemRegister::may_declare(const federation::SystemTwin& twin, Existing existing,
                                    const std::set<std::string>& exports) const {
  if (exports.contains(twin.name)) {
    return make_error(ErrorCode::conflict, "'" + twin.name + "' is the name of an export here",
                      "choose another name");
  }
  if (changing_.contains(twin.name)) {
    return make_error(ErrorCode::conflict, "'" + twin.name + "' is being changed", "ask again");
  }
  const auto found = all_->find(twin.name);
  if (found == all_->end() || found->second.twin == twin) return {};
  if (found->second.version.source != kDeclaredHere) {
    return make_error(ErrorCode::conflict,
                      "the system twin '" + twin.name + "' is declared in a file of provision.d",
                      "change it there, and reload with 'entente quality reload'");
  }
  if (existing == Existing::replace) return {};
  return make_error(ErrorCode::conflict,
                    "there is a system twin '" + twin.name + "' already, version " +
                        std::to_string(found->second.version.version) + ", which says otherwise",
                    "make a new version of it with --replace, or choose another name");
}

void SystemRegister::declare(federation::SystemTwin twin, const std::string& actor, Done done) {
  const auto found = all_->find(twin.name);
  if (found != all_->end() && found->second.twin == twin) return done(found->second);
  DeclaredSystem declared;
  declared.version = {twin.name,         next_version(twin.name), clock_.now(),
                      system_text(twin), kDeclaredHere,           actor};
  declared.twin = std::move(twin);
  changing_.insert(declared.twin.name);
  const SystemVersion version = declared.version;
  shelf_.declare(version, [this, declared = std::move(declared),
                           done = std::move(done)](Outcome kept) mutable {
    changing_.erase(declared.twin.name);
    if (!kept) return done(std::move(kept).error());
    put(declared);
    done(std::move(declared));
  });
}

void SystemRegister::remove(const std::string& name, const std::string& actor, Done done) {
  auto found = named(name);
  if (!found) return done(std::move(found));
  if (found->version.source != kDeclaredHere) {
    return done(make_error(ErrorCode::conflict,
                           "the system twin '" + name + "' is declared in a file of provision.d",
                           "take it out there, and reload with 'entente quality reload'"));
  }
  if (changing_.contains(name)) {
    return done(make_error(ErrorCode::conflict, "'" + name + "' is being changed", "ask again"));
  }
  DeclaredSystem gone = *found;
  gone.version.version = next_version(name);
  gone.version.declared = clock_.now();
  gone.version.text.clear();
  gone.version.actor = actor;
  changing_.insert(name);
  const SystemVersion version = gone.version;
  shelf_.declare(version,
                 [this, gone = std::move(gone), done = std::move(done)](Outcome kept) mutable {
                   changing_.erase(gone.twin.name);
                   if (!kept) return done(std::move(kept).error());
                   put(gone);
                   done(std::move(gone));
                 });
}

std::vector<std::string> SystemRegister::changed_by(const SystemTwins& in_files) const {
  std::vector<std::string> names;
  for (const DeclaredSystem& change : changes_of(in_files)) names.push_back(change.twin.name);
  return names;
}

void SystemRegister::adopt(const SystemTwins& in_files, std::function<void(Outcome)> done) {
  auto waiting = std::make_shared<std::size_t>(1);
  auto worst = std::make_shared<Outcome>();
  auto one_done = [waiting, worst, done = std::move(done)](Outcome kept) {
    if (!kept) *worst = std::move(kept);
    if (--*waiting == 0) done(*worst);
  };
  for (DeclaredSystem& change : changes_of(in_files)) {
    ++*waiting;
    const SystemVersion version = change.version;
    shelf_.declare(version, [this, change = std::move(change), one_done](Outcome kept) {
      if (kept) put(change);
      one_done(std::move(kept));
    });
  }
  one_done({});
}

std::vector<DeclaredSystem> SystemRegister::changes_of(const SystemTwins& in_files) const {
  std::vector<DeclaredSystem> changes;
  for (const auto& [name, twin] : in_files) {
    const auto found = all_->find(name);
    const bool same = found != all_->end() && found->second.twin == twin &&
                      found->second.version.source == kDeclaredInFile;
    if (same) continue;
    if (found != all_->end() && found->second.version.source == kDeclaredHere) {
      log::warn("system", "a file takes over what was declared here", {{"system", name}});
    }
    changes.push_back(
        {twin,
         {name, next_version(name), clock_.now(), system_text(twin), kDeclaredInFile, "node"}});
  }
  for (const auto& [name, one] : *all_) {
    if (one.version.source != kDeclaredInFile || in_files.contains(name)) continue;
    DeclaredSystem gone = one;
    gone.version.version = next_version(name);
    gone.version.declared = clock_.now();
    gone.version.text.clear();
    gone.version.actor = "node";
    changes.push_back(std::move(gone));
  }
  return changes;
}

std::uint32_t SystemRegister::next_version(const std::string& name) const {
  const auto known = versions_.find(name);
  return known == versions_.end() ? 1 : known->second + 1;
}

void SystemRegister::put(DeclaredSystem declared) {
  const std::string name = declared.twin.name;
  versions_[name] = declared.version.version;
  auto all = std::make_shared<All>(*all_);
  auto twins = std::make_shared<SystemTwins>(*twins_);
  if (declared.version.text.empty()) {
    all->erase(name);
    twins->erase(name);
  } else {
    twins->insert_or_assign(name, declared.twin);
    all->insert_or_assign(name, std::move(declared));
  }
  all_ = std::move(all);
  twins_ = std::move(twins);
  if (loaded_) changed_();
}

}  // namespace entente::node
