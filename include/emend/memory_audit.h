// Which cells of a model are triggered by unwanted text (regular expressions find it), and which cells the
// model could do without.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct AuditOptions {
  std::filesystem::path index;     // of a scan
  std::filesystem::path patterns;  // one a line: a name, blanks, a regular expression; # begins a comment
  std::vector<int> layers = {};    // empty: those of the index
  double least = 0.5;              // precision from which a cell is listed, above 0, at most 1
  int cells = 100;                 // cells listed for each pattern, 1 to 100,000
  // Cosine of two values above which their cells are duplicates, whatever their keys; above 0, at most 1.
  double duplicate = 0.98;
  std::int64_t tokens = 2'000;  // of the index's text, for the effect of removing cells
};

// A pattern and a cell whose triggers it finds. A trigger counts if a match takes in its last token or the
// token that follows it.
struct AuditedCell {
  MemoryId cell;
  bool high = true;             // end
  int hits = 0, of = 0;         // triggers
  double precision = 0;         // hits / of
  double score_share = 0;       // of the sum of |coefficient|
  std::string example, source;  // the match in the strongest trigger that has one, and its document
};

struct AuditedPattern {
  std::string name, expression;
  std::int64_t matching = 0;       // ends of cells with a trigger that matches, listed or not
  std::int64_t below_least = 0;    // of them those whose precision is below the option least
  std::vector<AuditedCell> cells;  // by falling precision, then score share, then address
};

struct DuplicateCells {
  MemoryId a, b;  // a < b, of one layer
  double cosine = 0;
};

// With a model: cells that it could do without.
struct Redundancy {
  std::vector<MemoryId> dead;               // on the index's text (MemoryRecord::dead)
  std::vector<DuplicateCells> duplicates;   // by falling cosine, then address
  std::int64_t tokens = 0;                  // on which perplexity was measured
  double perplexity = 0, without_dead = 0;  // as it is, and with the values of dead cells zero
  // With the values of all cells zero that are the second of a pair of duplicates, so that of a chain the
  // first cell stays. What they wrote is not added to the other: where two keys differ, both are needed.
  double without_duplicates = 0;
};

struct AuditOutcome {
  std::vector<AuditedPattern> patterns;
  std::optional<Redundancy> redundancy;
  std::int64_t cells = 0;  // that were looked at
  std::map<std::string, double> seconds;
};

// `model`: null for patterns alone. Throws Error: kUsage (an option out of range), kFormat naming file and
// line for an expression that does not compile or a line without one, kModel (an index of another model),
// kConfig and kIo as MemoryIndex does.
AuditOutcome audit_memories(const Model* model, const AuditOptions& options,
                            Progress& progress = no_progress());

}  // namespace emend
