// Traces on a terminal.
#pragma once

#include <string>
#include <vector>

#include "emend/locate.h"

namespace emend {

enum class TextColour { kNone, kAnsi256 };

// Colour when stdout is a terminal that takes it: TERM is not "dumb" and NO_COLOR is not set.
TextColour stdout_colour();

// One fact: its probabilities, and a heat map a grid, tokens as rows and layers as columns; a cell is darker
// the more of high - low it brings back (shares below 0 count as 0). `columns`: of the terminal, 0: no limit.
std::string trace_text(const FactTrace& trace, TextColour colour, std::size_t columns);

// Averages by role: the best layer of each grid with its interval.
std::string average_text(const TraceAverage& average, std::size_t columns);

// The first `count` layers.
std::string ranking_text(const std::vector<LayerScore>& ranking, std::size_t count, std::size_t columns);

}  // namespace emend
