#include "node/audit/scratch_ledger.h"

#include <stdlib.h>

#include <filesystem>

#include "node/store/audit_log.h"
#include "node/store/release_ledger.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;

class FileLedger final : public federation::ScratchLedger {
 public:
  explicit FileLedger(fs::path folder) : folder_(std::move(folder)) {}
  ~FileLedger() override {
    // The store's last report speaks to the ledger.
    if (store_) (void)store_->run<int>([](Database&) -> Result<int> { return 0; });
    ledger_.reset();
    store_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Outcome open(federation::Loop& loop, const Clock& clock) {
    Store::Options options;
    options.path = (folder_ / "scratch.db").string();
    options.migrations = {audit_migration(), ReleaseLedger::migration(),
                          ledger_standing_migration(), audit_tree_migration(),
                          ReleaseLedger::cells_migration()};
    options.deliver = [&loop](std::function<void()> work) { loop.post(std::move(work)); };
    auto store = Store::open(std::move(options));
    if (!store) return std::move(store).error();
    store_ = std::move(*store);
    ledger_ = std::make_unique<ReleaseLedger>(*store_, clock);
    return {};
  }

  federation::ReleaseStore& store() override { return *ledger_; }
  std::vector<BlockAmount> spent(const std::string& domain,
                                 const std::optional<OrgId>& partner) override {
    const std::string scope = partner ? partner->hex() : std::string(kSiteScope);
    std::vector<BlockAmount> spent;
    for (const LedgerRow& row : ledger_->rows()) {
      if (row.domain == domain && row.scope == scope) spent.push_back({row.block, row.spent});
    }
    return spent;
  }

 private:
  fs::path folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ReleaseLedger> ledger_;
};

}  // namespace

Result<std::unique_ptr<federation::ScratchLedger>> make_scratch_ledger(federation::Loop& loop,
                                                                       const Clock& clock) {
  std::error_code failed;
  std::string name = (fs::temp_directory_path(failed) / "entente-audit-XXXXXX").string();
  if (failed || ::mkdtemp(name.data()) == nullptr) {
    return make_error(ErrorCode::store_failed, "no folder can be made at " + name,
                      "name a writable one by TMPDIR");
  }
  auto ledger = std::make_unique<FileLedger>(name);
  if (auto opened = ledger->open(loop, clock); !opened) return std::move(opened).error();
  return std::unique_ptr<federation::ScratchLedger>(std::move(ledger));
}

}  // namespace entente::node
