// What this organisation was answered before: so that a preview knows what is free and what is
// left, without asking anybody.
//
// It is the asker's own memory of what sites said and no authority: a site decides by its ledger.
// Where the two differ (this node was restored from a backup, or others have asked meanwhile), a
// preview states more than is charged, or more that is left; of delta also less.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/ask/release_store.h"
#include "schemas/agreement.h"
#include "schemas/question.h"

namespace entente::federation {

struct HeldAnswer {
  OrgId organisation;
  std::string site;
  std::string domain;
  Question question;
  std::uint32_t revision = 0;
  bool composed = false;          // of cells of earlier answers: then it is no cell of later ones
  std::vector<BlockAmount> left;  // for this organisation, after the charge
  DeltaUnits delta_left = {};     // likewise, the least over these blocks
  Instant issued;
};

// What a site said was left of a block at the last answer about it. Sites say the least delta of an
// answer's blocks: of a block that was asked about with others there may be more.
struct KnownLeft {
  RhoUnits rho;
  std::optional<DeltaUnits> delta;  // absent from answers that were kept before it was noted
};

class AnswerBook {
 public:
  virtual ~AnswerBook() = default;

  // Loop thread. Keeps it durably in its own time: an answer does not wait for it.
  virtual void keep(HeldAnswer answer) = 0;

  // Workers. Whether the question was answered by this site in this revision, by noise of its own
  // or in any way.
  enum class Way { own_noise, any };
  virtual bool holds(const OrgId& organisation, const std::string& site, const Hash256& question,
                     std::uint32_t revision, Way way) const = 0;
  // Workers. Questions of the same cells_key that were answered there and overlap the window, by
  // looked_at_before, limits::kComposedReleases at most.
  virtual std::vector<Question> alike(const OrgId& organisation, const std::string& site,
                                      const Hash256& cells, TimeWindow window) const = 0;
  // Workers. What was left of a block at the last answer that said so.
  virtual std::optional<KnownLeft> left(const OrgId& organisation, const std::string& domain,
                                        Instant block) const = 0;
};

}  // namespace entente::federation
