// Where things are in the editor: a table of controls, without drawing.
#pragma once

#include "parameters.hpp"

#include <vector>

namespace bandmate {

enum class Look { Button, Fader, Slider, Stepper, Choice };

struct Box {
    float x = 0, y = 0, w = 0, h = 0;

    bool holds(double px, double py) const {
        return px >= double(x) && px < double(x + w) && py >= double(y) && py < double(y + h);
    }
};

struct Control {
    Id id;
    Look look;
    const char* label;
    Box box;
};

// In pixels of an editor of DISTRHO_UI_DEFAULT_WIDTH by DISTRHO_UI_DEFAULT_HEIGHT.
std::vector<Control> controls(Variant variant);
constexpr Box kWave{12, 46, 536, 84};
constexpr Box kProgressBar{12, 136, 536, 6};
constexpr Box kMessage{12, 148, 536, 32};

// The row of a parameter in the host's list.
std::size_t rowOf(Variant variant, Id id);

// A value as the editor shows it.
std::string shown(const Parameter& row, float value);

} // namespace bandmate
