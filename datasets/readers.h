// One reader a data set; registry.cpp names them. Each throws Error(kFormat) for fields that are missing or
// of another type; where a text has to go is said in include/emend/dataset.h.
#pragma once

#include "datasets/collector.h"
#include "datasets/json_records.h"

namespace emend {

// CounterFact as published (Meng et al. 2022), and multi_counterfact (MCF, Meng et al. 2023), which has the
// same form.
void read_counterfact(const JsonRecords& records, Collector& out);

// CounterFact as EasyEdit distributes it (Wang et al. 2023): flat objects with one rephrasing and one
// neighbour.
void read_counterfact_flat(const JsonRecords& records, Collector& out);

// zsRE as MEND made it (Mitchell et al. 2022), with the targets of ROME (a true answer) or EasyEdit (`alt`).
void read_zsre(const JsonRecords& records, Collector& out);
void read_zsre_alt(const JsonRecords& records, Collector& out);

// The facts of ROME's causal tracing, known_1000.json.
void read_known(const JsonRecords& records, Collector& out);

// KnowEdit (Zhang et al. 2024).
void read_knowedit(const JsonRecords& records, Collector& out);

// FastEdit's own files.
void read_fastedit(const JsonRecords& records, Collector& out);

// WikiBigEdit (Thede et al. 2025).
void read_wikibigedit(const JsonRecords& records, Collector& out);

// MQuAKE (Zhong et al. 2023) and MQuAKE-Remastered.
void read_mquake(const JsonRecords& records, Collector& out);

// RippleEdits (Cohen et al. 2024).
void read_rippleedits(const JsonRecords& records, Collector& out);

// UniEdit (Chen et al. 2025).
void read_uniedit(const JsonRecords& records, Collector& out);

// Records in emend's own form, as JSON lines.
void read_emend(const JsonRecords& records, Collector& out);

}  // namespace emend
