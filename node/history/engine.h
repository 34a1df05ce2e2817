// The history's machine: what the store's thread, the sealer's thread and readers share.
//
// Writing. A batch waits in the store's queue; on the store's thread each reading is compared with
// what is known of its time (for all but late ones that is one comparison with the series' newest
// time), the rest is encoded into one journal row, and after the commit it goes into the tails.
// Sealing. From limits::kSealReadings on, the sealer freezes all tails at once, turns group after
// group into segments, each in a transaction of its own that also removes the buckets it touches,
// and then deletes the journal's rows up to the freeze. A crash between repeats readings that
// segments hold already: they are replayed into the tails with equal values. Buckets come last: one
// that is there is exact, one that is missing costs time only.
// Reading. A reader takes a group's places, its frozen and its unsealed readings at one moment;
// blobs never change, and one that has gone makes the reader begin again.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>

#include "node/history/blobs.h"
#include "node/history/group.h"
#include "node/history/history.h"
#include "node/history/sealed_reader.h"
#include "node/history/sealing.h"
#include "node/history/series_table.h"

namespace entente::node {

class HistoryEngine {
 public:
  HistoryEngine(Store& store, const Clock& clock) : store_(store), clock_(clock), blobs_(store) {}
  // Starts the sealer. Blocks.
  Outcome open();
  // Ends the sealer after what it is doing. What was asked of it and not begun is answered
  // overloaded.
  void stop();

  SeriesTable& table() { return table_; }
  const SeriesTable& table() const { return table_; }

  // --- any thread ---
  // May this batch join the queue? It counts as waiting as long as the ticket lives.
  using Ticket = std::shared_ptr<void>;
  Result<Ticket> admit(const Batch& batch);
  // A sealer's work: takes its turn on that thread.
  void on_sealer(std::function<void(const Error* refused)> work);
  std::optional<Entry> latest(SeriesId series) const;
  std::uint64_t unsealed() const { return unsealed_.load(); }

  // --- the store's thread ---
  struct Written {
    AppendReport report;
    std::shared_ptr<const Batch> kept;  // what was not a repetition
    std::int64_t seq = 0;               // of the journal's row; 0 when nothing was kept
    std::size_t named = 0;              // series that have a row with it
  };
  Result<Written> write(Database& database, const std::shared_ptr<const Batch>& batch);
  // `written` is null when the batch was undone.
  void settled(const Written* written);

  // Those of `series` that nothing refers to; they are unknown from their commit on.
  Result<std::vector<SeriesId>> forget(Database& database, const std::vector<SeriesId>& series);
  // `forgotten` is null when it was undone.
  void forgot(const std::vector<SeriesId>& series, const std::vector<SeriesId>* forgotten);

  // --- the sealer's thread ---
  Outcome seal();
  Result<Erased> erase(const Erasure& erasure);

  // Group after group, in turns; `done` on the sealer's thread.
  void retain(RetentionOf policy, Instant now, std::function<void(Result<RetentionReport>)> done);

  // --- workers ---
  KeptSeries kept(SeriesId series);
  void scan(SeriesId series, TimeWindow window, const History::Visit& visit);
  void aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                 std::span<Summary> out);
  std::vector<Correction> corrections(SeriesId series, TimeWindow window);

 private:
  // What a reader begins with, besides the group's places: one series at the same moment.
  struct View {
    std::vector<Entry> fresh;  // not sealed, within the window
    std::optional<Entry> sealed_last;
  };
  View view_of(const Group& group, Place place, TimeWindow window) const;
  bool try_scan(SeriesId series, TimeWindow window, const History::Visit& visit,
                std::int64_t& resume);
  bool try_aggregate(std::size_t group, std::span<const SeriesId> series, TimeWindow window,
                     Figures figures, std::span<Summary> out);
  bool aggregate_overridden(SealedReader& reader, const View& view, Place place, TimeWindow window,
                            Figures figures, Summary& out);

  // Opening.
  Outcome load_series(Database& database);
  Outcome load_places(Database& database);
  Outcome load_latest(Database& database);
  Outcome replay(Database& database);
  Outcome move_first_layout();

  // Writing.
  class Building;
  // By place: readings from before are not taken.
  using Horizons = std::array<std::int64_t, kGroupSeries>;
  static constexpr std::int64_t kEveryTime = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kForgotten = std::numeric_limits<std::int64_t>::max();
  std::int64_t taken_from(SeriesId series) const;
  std::int64_t& taken_from_of(SeriesId series);
  void name_series(Database& database);
  std::optional<Entry> known(SeriesId series, std::int64_t time);
  const Entry* uncommitted(SeriesId series, std::int64_t time);
  void record_correction(Database& database, SeriesId series, const Entry& before);
  void apply(const Batch& batch);
  void put(const Batch& batch);

  // Sealing.
  struct Publication {
    std::size_t group = 0;
    SealChange change;
    std::vector<std::optional<Entry>> sealed_last;      // by place, after the change
    std::array<std::set<std::int64_t>, kLevels> stale;  // starts of buckets that no longer hold
    bool thaw = false;
    struct Bucket {
      Level level;
      std::int64_t start;
      Bytes directory;
    };
    std::vector<Bucket> buckets;  // to add
    std::optional<RetainedFrom> from;
    std::vector<std::pair<Place, std::int64_t>> dropped;  // readings from before are rolled up
  };
  static std::uint64_t freeze_group(Group& group);
  Result<std::int64_t> freeze();
  Outcome seal_group(std::size_t group);
  void renew_rolled_up(const SealedPlaces& sealed, const Frozen& frozen, Publication& publication);
  Outcome publish(Publication publication);
  void published(const Publication& publication, const std::vector<std::int64_t>& segment_ids,
                 const std::vector<std::int64_t>& bucket_ids);
  void write_publication(Database& database, const Publication& publication,
                         const std::vector<std::int64_t>& segment_ids,
                         const std::vector<std::int64_t>& bucket_ids);
  Publication begin_publication(std::size_t group, std::shared_ptr<const SealedPlaces>& sealed);
  struct RetentionRun;
  void retain_turn(const std::shared_ptr<RetentionRun>& run, const Error* refused);
  void roll_up(const SealedPlaces& sealed, const RetainedFrom& from, Publication& publication);
  Result<RetentionReport> retain_group(std::size_t group, const RetentionOf& policy, Instant now);
  Result<RetentionReport> roll_up_group(std::size_t group, const Horizons& until,
                                        RetainedFrom wanted, Horizons& taken);
  void leave_out_young(const SealedPlaces& sealed, Horizons& until);
  Outcome refuse_late(std::size_t group, const Horizons& until, Horizons& taken);
  // By place: how many readings of each are gone.
  Result<std::vector<std::uint64_t>> erase_group(std::size_t group,
                                                 const std::vector<TimeWindow>& windows);
  void keep_latest(const SealedPlaces& sealed, Place place, TimeWindow window,
                   std::optional<Entry>& last);
  Outcome forget_corrections(std::size_t group, const std::vector<TimeWindow>& windows,
                             const std::function<void()>& also);
  void find_latest(std::size_t group, const std::vector<bool>& asked);
  Outcome make_buckets(std::size_t group, const std::array<std::set<std::int64_t>, kLevels>& stale);
  void serve();

  Store& store_;
  const Clock& clock_;
  SeriesTable table_;
  Groups groups_;
  Blobs blobs_;
  const std::shared_ptr<std::atomic<std::uint64_t>> pending_readings_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
  std::atomic<std::uint64_t> unsealed_{0};

  // The store's thread (and the constructor's before it writes).
  std::vector<std::int64_t> newest_;  // by series: no reading is later, committed or not
  std::vector<std::unique_ptr<Horizons>> taken_from_;  // by group; null: every time is taken
  std::map<SeriesId, std::int64_t> forgetting_;        // what taken_from was, until the commit
  std::size_t named_ = 0;                              // series that have a row
  std::size_t naming_ = 0;                             // and with what is not committed yet
  std::int64_t seq_ = 0;                               // of the journal's latest row
  std::int64_t applied_seq_ = 0;
  struct ReadingKey {
    SeriesId series;
    std::int64_t time;
    bool operator==(const ReadingKey&) const = default;
  };
  struct ReadingKeyHash {
    std::size_t operator()(const ReadingKey& key) const {
      return std::hash<std::uint64_t>()(static_cast<std::uint64_t>(key.time) * 0x9E3779B97F4A7C15 +
                                        static_cast<std::uint64_t>(key.series));
    }
  };
  // Written and not yet committed, in order; looked at for late readings only.
  std::vector<std::shared_ptr<const Batch>> uncommitted_;
  std::unordered_map<ReadingKey, Entry, ReadingKeyHash> uncommitted_index_;
  std::size_t indexed_batches_ = 0;   // of uncommitted_, whole
  std::size_t indexed_readings_ = 0;  // of the batch after those
  std::size_t looked_group_ = 0;
  std::shared_ptr<const SealedPlaces> looked_places_;
  std::unique_ptr<SealedReader> looked_;

  // The sealer's thread.
  std::int64_t next_id_ = 1;
  std::thread thread_;
  std::mutex work_mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void(const Error*)>> work_;
  // Work that may wait: begun when its time has come and nothing else is to be done.
  struct Later {
    std::chrono::steady_clock::time_point from;
    std::function<void(const Error*)> work;
  };
  std::optional<Later> later_;
  bool stopping_ = false;
  bool full_ = false;  // enough readings to seal
};

}  // namespace entente::node
