// How far a model is from another one on a text, as llama.cpp's `llama-perplexity --kl-divergence` tells it:
// against a base file that this program, or that one, wrote of the other model.
//
// A base file holds a text as chunks of `context` token ids and the other model's probabilities of every next
// token in the second half of each chunk. A chunk is read from its beginning, with the BOS in place of its
// first token where the tokenizer begins texts with one. With p of the base and q of the model at one
// position:
//
//   KL        sum over the tokens t with log p(t) > -16 of p(t) (log p(t) - log q(t)), nats
//   same top  both have the same likeliest token
//   dp        q(x) - p(x) of the token x that the text has next
//   PPL       exp of the mean over positions of -log q(x), or -log p(x) of the base
//
// A base file stores 16 bits a token (src/io/logits_file.h), so that a model against its own file shows about
// 1e-6 nats instead of 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// The standard error is that of independent positions, sqrt((mean of squares - square of mean) / (n - 1)), as
// llama.cpp prints it.
struct MeanWithError {
  double mean = 0, error = 0;
};

// One position of the text.
struct KlPosition {
  double kl = 0;                 // nats
  double nll = 0, nll_base = 0;  // -log q(x), -log p(x)
  bool same_top = false;
};

struct KlFigures {
  std::int64_t positions = 0;
  MeanWithError kl;
  double largest = 0, least = 0;
  // Percentiles of the positions' KL, interpolated between neighbours in order at fraction * (positions - 1).
  double p99_9 = 0, p99 = 0, p95 = 0, p90 = 0, median = 0, p10 = 0, p5 = 0, p1 = 0;
  MeanWithError same_top;                     // a share
  MeanWithError perplexity, perplexity_base;  // the error of a perplexity is it times that of its logarithm
  MeanWithError perplexity_ratio;             // model over base; the error counts that both read one text
  MeanWithError dp, dp_rms;                   // mean of dp, and root of the mean of dp^2
  std::vector<double> chunk_kl;               // mean of each chunk, in order
};

// The figures of positions, the same number of each chunk, chunk after chunk. No position: all are 0.
KlFigures kl_figures(const std::vector<KlPosition>& positions, std::int64_t chunks);

struct KlOptions {
  std::string bos = "auto";  // auto, none, or a token: what stands in place of each chunk's first token
  std::int64_t token_budget = 4096;  // tokens that one pass may hold, >= 1
  // If given: the text that the base file must be of.
  std::filesystem::path text;
};

// The sizes of a base file.
struct KlBase {
  std::filesystem::path file;
  std::int64_t context = 0, vocab = 0, chunks = 0;
  std::int64_t positions = 0;  // of all chunks
};

// Throws what measure_kl throws of the file alone.
KlBase read_kl_base(const std::filesystem::path& file);

// The model as it is now against the base file. Throws Error: kIo, kFormat (a file that is no base file, is
// cut short, or holds numbers that are not finite), kModel (another size of vocabulary; chunks longer than
// the model's positions; no tokenizer), kConfig (the file is of another text than `options.text`: the first
// token that differs is named; a BOS that the model does not have), kUsage (token budget), and what
// `progress` throws.
KlFigures measure_kl(const Model& model, const std::filesystem::path& base, const KlOptions& options = {},
                     Progress& progress = no_progress());

struct KlWriteOptions {
  std::filesystem::path text;  // a plain text file
  std::int64_t context = 512;  // tokens of a chunk, 4 or more; llama-perplexity's -c
  std::int64_t chunks = 0;     // at most; 0: as many as the text fills
};

struct KlWritten {
  KlBase base;
  MeanWithError perplexity;  // of the text
};

// Writes the base file of the model as it is now: the whole file or nothing. Throws Error: kIo; kUsage (sizes
// out of range); kConfig (a text of fewer than 2 * context tokens, which llama-perplexity refuses, too);
// kModel (context longer than the model's positions; no tokenizer); kNumeric (logits that are not finite).
KlWritten write_kl_base(const Model& model, const std::filesystem::path& file, const KlWriteOptions& what,
                        const KlOptions& options = {}, Progress& progress = no_progress());

}  // namespace emend
