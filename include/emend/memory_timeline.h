// The time line of a prompt: along the layers, where a subject is collected, where the last token fetches
// what it says, and where the answer takes shape there (Meng et al. 2022, section 2; Geva et al. 2023).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct TimelineOptions {
  std::string prompt, subject;
  int occurrence = 0;        // of the subject in the prompt, from 1; 0: the only one
  std::string token = {};    // the answer; empty: the likeliest next token
  std::string bos = "auto";  // auto, none or a token
  int samples = 10;          // corrupted rows of the tracing, 1 to 10,000
  int window = 0;            // layers restored together (TraceOptions::window); 0: in proportion to the model
  double share = 0.5;        // of the largest effect: what a phase's first and last layer reach; in (0, 1]
  std::uint64_t seed = 0;    // of the noise on the subject
  std::int64_t token_budget = 4096;  // tokens a pass may hold
};

// The answer's first token in a state of the stream at the last token, under the head lens.
struct TimelineState {
  std::int64_t rank = 0;  // from 0
  double probability = 0;
};

struct TimelineLayer {
  int layer = 0;
  // At the subject's last token, what restoring gives back: p(restored) - low. The stream behind the block;
  // the networks, and attention, of the window around this layer; the stream again while all networks, or all
  // of attention, at that token stay corrupted.
  double state = 0, ffn = 0, attention = 0;
  double severed_ffn = 0, severed_attention = 0;
  // (p - high) / high with the attention from the last token to the subject cut in the window around.
  double cut = 0;
  // Of the attention that the last token pays: the subject's share, the mean over heads; and that of the head
  // with the largest.
  double paid = 0, paid_most = 0;
  int paid_head = 0;
  // What this layer's heads bring from the subject's tokens to the answer's logit at the last token at once,
  // the final norm's size held.
  double brought = 0;
  // h, r = h + attention, o. Where the halves of a block run in parallel, r is still h + attention.
  TimelineState entering, behind_attention, behind_ffn;
};

// Layers from `first` to `last`, both included, the strongest at `peak`.
struct TimelinePhase {
  std::string name = {};  // "collect", "recall" or "organise"
  std::string rule = {};  // by which it is found, in a sentence
  bool found = false;
  int first = 0, last = 0, peak = 0;
  double effect = 0;        // at the peak
  std::string reason = {};  // why there is none; empty where it was found
};

struct TimelineOutcome {
  std::vector<std::int64_t> ids;
  std::vector<std::string> pieces;                  // texts of the ids
  std::int64_t subject_begin = 0, subject_end = 0;  // tokens [begin, end)
  std::int64_t token_id = 0;                        // the answer's first token
  std::string token;
  std::string answer;        // all of what was traced
  std::string said;          // what the model says greedily
  double high = 0, low = 0;  // p(answer), and with noise on the subject (emend/locate.h)
  double probability = 0;    // of the first token, at the end
  int window = 0;
  std::vector<TimelineLayer> layers;
  std::vector<TimelinePhase> phases;  // collect, recall, organise
  bool in_order = false;              // phases_in_order() of these
  double seconds = 0;
};

// Nothing below these shares is an effect: of high - low for the restored networks, of high for a cut.
inline constexpr double kLeastTimelineEffect = 0.1;

// The rules, applied to `layers`, of a model that ends with the answer at rank `end_rank`. `is_void`: the
// noise lowers p(answer) by less than a tenth.
//   collect: the layers whose restored networks at the subject's last token give back at least `share` of
//     what the best of them do, if those give back a tenth of high - low.
//   recall: the layers where cutting the attention from the last token to the subject takes at least `share`
//     of what the worst cut takes, if that is a tenth of high.
//   organise: from the first layer on behind which p(answer) at the last token is at least `share` of that at
//     the end, there and in all later ones, if the answer is the likeliest token at the end. Its peak is the
//     layer that adds most to p.
std::vector<TimelinePhase> timeline_phases(const std::vector<TimelineLayer>& layers, double high, double low,
                                           bool is_void, double share);
// Of what timeline_phases() gave: whether all three were found, and each begins no later than the next, by
// the peaks of the first two and the first layer of the last.
bool phases_in_order(const std::vector<TimelinePhase>& phases);

// One trace of the subject's last token, one pass forward and back, and one for attention's weights. Throws
// Error: kUsage (an option out of range, an empty prompt), kConfig (a subject that is not in the prompt, or
// stands there several times; what trace_fact refuses), kModel (no tokenizer).
TimelineOutcome run_timeline(const Model& model, const TimelineOptions& options,
                             Progress& progress = no_progress());
// What needs no model. Throws Error(kUsage).
void check_timeline(const TimelineOptions& options);

}  // namespace emend
