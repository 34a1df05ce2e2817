// Limits of a node's own parts. Every queue, file, batch and cache has one, named.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schemas/base/time.h"

namespace entente::node::limits {

// Store.
inline constexpr std::size_t kCommitJobs = 1'024;           // jobs that share one transaction
inline constexpr std::int64_t kWalCheckpointPages = 1'024;  // 4 MiB of WAL: copied into the file
inline constexpr std::int64_t kWalKeptBytes = 64 << 20;     // a larger WAL file is cut at its reset
inline constexpr int kIdleCheckpointMs = 500;               // quiet for so long: copied as well
inline constexpr int kBusyTimeoutMs = 2'000;                // another connection recovers the WAL

// Types: the limits of DTDL 2 and 3 (DTDL.v2.md, DTDL.v3.md), and of our reading them.
inline constexpr std::size_t kTypeFileBytes = 8 << 20;
inline constexpr std::size_t kInterfaceIdBytes = 128;
inline constexpr std::size_t kElementIdBytes = 2'048;
inline constexpr std::size_t kTypeNameBytes[] = {64, 512};  // a name: version 2, version 3
inline constexpr std::size_t kDisplayNameCharacters[] = {64, 512};
inline constexpr std::size_t kDescriptionCharacters[] = {512, 512};
inline constexpr std::size_t kContents[] = {300, 100'000};
inline constexpr std::size_t kExtends[] = {2, 1'024};
inline constexpr std::size_t kExtendsDepth[] = {10, 10};
inline constexpr std::size_t kSchemaDepth[] = {5, 5};
inline constexpr std::size_t kEnumValues[] = {100, 100'000};
inline constexpr std::size_t kObjectFields[] = {30, 100'000};
inline constexpr std::int64_t kMultiplicity[] = {500, 2'147'483'647};
inline constexpr std::size_t kTypeProblems = 100;  // named at once, then cut
inline constexpr int kTypeNesting = 64;            // JSON depth of a type file

// Twins.
inline constexpr std::size_t kTwins = 1'000'000;
inline constexpr std::size_t kTwinFileBytes = 256 << 20;
inline constexpr std::size_t kPropertyTextBytes = 4'096;

// History.
inline constexpr std::size_t kBatchReadings = 100'000;          // one append
inline constexpr std::size_t kPendingReadings = 2 << 20;        // wait for the disk; 25 bytes each
inline constexpr std::size_t kSealReadings = 4'000'000;         // journal this long: sealed
inline constexpr std::size_t kUnsealedReadings = 16'000'000;    // no more are taken; 24 bytes each
inline constexpr std::size_t kSegmentReadings = 256 << 10;      // a larger segment is cut
inline constexpr std::size_t kSmallSegmentReadings = 64 << 10;  // a smaller last one is filled up
inline constexpr std::uint64_t kBucketReadings = 4;             // a series; sparser: no bucket
inline constexpr std::size_t kKeptDirectoryBytes = 128 << 20;
inline constexpr std::size_t kKeptBucketBytes = 128 << 20;
inline constexpr std::size_t kKeptDataBytes = 256 << 20;
inline constexpr std::size_t kSealerWork = 1'024;  // erasures and the like, waiting
inline constexpr int kRetentionShare = 10;  // at most 1 of so many parts of the sealer's time
inline constexpr std::size_t kOverriddenReadings = 64;          // late ones in a window; more: scan
inline constexpr std::size_t kIdleReaders = 4;                  // query-only connections kept
inline constexpr std::int64_t kClockAheadNs = 300'000'000'000;  // a reading from later is refused
inline constexpr std::size_t kSignalNameBytes = 256;
inline constexpr std::size_t kTwinNameBytes = 128;
inline constexpr std::size_t kSeries = 16 << 20;  // names take 100 bytes each

// Ingestion.
inline constexpr std::size_t kRecordBytes = 1 << 20;  // one CSV record
inline constexpr std::size_t kCsvColumns = 16'384;
inline constexpr std::size_t kJsonLineBytes = 64 << 10;
inline constexpr std::size_t kReadBytes = 256 << 10;    // read from a stream at once
inline constexpr std::size_t kIngestReadings = 20'000;  // one durable batch of a file
inline constexpr std::size_t kIngestBatchesAhead = 2;   // written while reading goes on
inline constexpr std::size_t kMappingBytes = 1 << 20;
inline constexpr std::size_t kNameInFileBytes = 256;  // a twin's or signal's own name

// Quality.
inline constexpr std::size_t kOtherUnits = 4;      // a unit check looks into
inline constexpr std::size_t kSpikeWindowMin = 3;  // readings
inline constexpr std::size_t kSpikeWindowMax = 63;
inline constexpr std::size_t kDetailedSeries = 20'000;    // with health in detail from the start
inline constexpr std::size_t kRejudgeChanges = 50'000;    // corrections written at once
inline constexpr std::size_t kLearnReadings = 1'000'000;  // the youngest; of all series together
inline constexpr std::size_t kQualityShares = 10'000;     // windows of one answer

// Ingestion: back-pressure, line protocol, requests that write.
inline constexpr std::size_t kUnknownNames = 65'536;  // of twins and signals, told once each
inline constexpr Duration kOverloadPauseFirst = milliseconds(2);  // then doubled
inline constexpr Duration kOverloadPauseMost = milliseconds(250);
inline constexpr Duration kOverloadPatience = seconds(30);      // of a tool; then it gives up
inline constexpr Duration kWriteOverloadPatience = seconds(1);  // of a worker, for one request
inline constexpr std::size_t kLineProtocolBytes = 64 << 10;     // one line
inline constexpr std::size_t kWritesAtOnce = 32;         // requests whose readings are going in
inline constexpr std::size_t kWriteJobBytes = 1 << 20;   // of a body, handed to a worker at once
inline constexpr std::size_t kWriteRejectsTold = 1'000;  // in one reply
inline constexpr std::size_t kNamesKept = 4;             // tables of names kept between requests

// Faults of the disk.
inline constexpr std::size_t kCheckedSegmentsKept = 4;     // decoded, while buckets are compared
inline constexpr std::int64_t kSalvageProbes = 1'000'000;  // rows asked for one by one in a hole
inline constexpr std::size_t kBallastBytes = 16 << 20;     // given up when the disk is full
inline constexpr int kDiskFailedExit = 74;                 // EX_IOERR: restart, and verify
// Collectors.
inline constexpr std::size_t kUploadReadings = 10'000;             // one signed batch
inline constexpr std::size_t kUploadBytes = 256 << 10;             // its encoding
inline constexpr std::size_t kUploadsInFlight = 32;                // of one collector, at the node
inline constexpr std::size_t kUploadsAhead = 16;                   // as a collector sends by itself
inline constexpr std::size_t kUploadBytesAhead = 448 << 10;        // below the link's flow limit
inline constexpr std::size_t kCollectorSeries = 1 << 20;           // named in one session
inline constexpr std::size_t kSeriesNamesAtOnce = 2'048;           // of one call
inline constexpr std::int64_t kUploadRetryNs = 500'000'000;        // said when the history is full
inline constexpr std::int64_t kUploadRetriesNs = 120'000'000'000;  // a collector gives up then
inline constexpr std::size_t kCollectors = 10'000;
inline constexpr std::size_t kBundleBytes = 256 << 10;
inline constexpr std::int64_t kCollectorPingNs = 20'000'000'000;
inline constexpr std::size_t kCollectorWorkers = 2;  // verify and decode

// Export and deletion.
inline constexpr std::size_t kReadingsPage = 1'000;      // unless asked
inline constexpr std::size_t kReadingsPageMax = 10'000;  // one page of a twin's readings
inline constexpr std::size_t kDeletedTwins = 10'000;     // of one request
inline constexpr Duration kDeletionTime = seconds(15);   // then the request is to be repeated

}  // namespace entente::node::limits
