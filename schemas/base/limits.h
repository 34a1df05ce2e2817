// Limits of the wire and of names. Every queue, message and size has one, named.
#pragma once

#include <cstddef>
#include <cstdint>

namespace entente::limits {

inline constexpr std::size_t kNameBytes = 63;          // a local id
inline constexpr std::size_t kTextBytes = 4'096;       // a text of a person: purpose, label, reason
inline constexpr std::size_t kQuestionBytes = 16'384;  // a question's text
inline constexpr std::size_t kCharterBytes = 65'536;   // a signed charter on the wire
inline constexpr std::size_t kAgreementBytes = 131'072;  // a signed agreement on the wire
inline constexpr std::size_t kCells = 4'096;             // cells of one question at one site
inline constexpr std::size_t kItems = 16;                // items of one SELECT
inline constexpr std::size_t kColumns = 64;              // folded values of one question
inline constexpr std::size_t kPredicateNodes = 128;      // nodes of one predicate in postfix order
inline constexpr std::size_t kBins = 1'024;              // bins of one histogram
inline constexpr std::size_t kBlocks = 400;              // blocks one question may touch
inline constexpr std::size_t kEnvelopeBytes = 262'144;   // an envelope, its question included
inline constexpr std::size_t kReleaseBytes = 229'376;    // a release; leaves room for its answer
inline constexpr std::size_t kAnswerBytes = 253'952;     // an answer before signature and seal
inline constexpr std::size_t kSignedBytes = 262'272;     // a signed envelope or answer
inline constexpr std::int64_t kEnvelopeLifeSeconds = 120;  // from issue to deadline, at most
inline constexpr std::size_t kRootKeys = 16;               // of one charter
inline constexpr std::size_t kPurposeKeys = 64;            // of one charter
inline constexpr std::size_t kRevokedKeys = 1'024;         // of one charter
inline constexpr std::size_t kExports = 64;                // of one agreement
inline constexpr std::size_t kExportKeys = 8;              // group keys of one export
inline constexpr std::size_t kMeasures = 256;              // of one export
inline constexpr std::size_t kAgreementTests = 256;        // of one agreement
inline constexpr std::size_t kNamesListed = 64;            // purposes, onward composites
inline constexpr std::size_t kLabelBytes = 255;    // a key's value, a signal, a type, a unit
inline constexpr std::size_t kStatistics = 4'096;  // of one release
inline constexpr std::uint64_t kTraversalWords = 131'072;
inline constexpr int kNestingDepth = 16;

}  // namespace entente::limits
