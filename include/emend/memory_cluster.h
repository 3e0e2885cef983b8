// Cells whose values promote the same words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct ClusterOptions {
  std::vector<int> layers = {};  // empty: all
  int clusters = 0;              // k; 0: one for 32 cells
  int sweeps = 25;               // at most; it ends when no cell changes its cluster
  int members = 10;              // listed of a cluster, those nearest to its centre
  int top = 30;                  // tokens listed of a centre
  std::uint64_t seed = 0;
};

struct MemoryCluster {
  std::int64_t size = 0;
  double cosine = 0;                     // mean of its cells with the centre
  std::vector<MemoryId> members = {};    // nearest first, ties by address
  std::vector<std::string> tokens = {};  // that the centre promotes
};

struct ClusterOutcome {
  std::int64_t cells = 0;
  int sweeps = 0;
  bool settled = false;                              // no cell changed its cluster in the last sweep
  double cosine = 0;                                 // mean over cells
  std::vector<MemoryCluster> clusters;               // by falling size, ties by first member
  std::vector<std::pair<MemoryId, int>> cluster_of;  // every cell, by address: number in `clusters`
};

// Spherical k-means (Dhillon and Modha 2001) of the values as the lin lens folds them, gamma_f * C v', scaled
// to length 1: directions of logits, so that +v and -v lie opposite. Starts at k cells that the seed draws; a
// cluster that is left empty takes the cell that lies farthest from its centre. 2 cells k D FLOPs a sweep;
// memory cells D numbers. Cells whose value is zero belong to no cluster. Throws Error: kUsage (an option
// out of range), kConfig (a layer out of range).
ClusterOutcome cluster_memories(const Model& model, const ClusterOptions& options,
                                Progress& progress = no_progress());

}  // namespace emend
