// The panel: what was captured, how far the server is, faders. Everything in it is a parameter of
// the host's list as well.
#include "DistrhoUI.hpp"

#include "layout.hpp"
#include "plugin.hpp"

#include <algorithm>
#include <cmath>

START_NAMESPACE_DISTRHO

using bandmate::Box;
using bandmate::Control;
using bandmate::Look;

namespace {

constexpr auto kVariant = static_cast<bandmate::Variant>(BANDMATE_VARIANT);
constexpr double kWheelStep = 0.02; // of a range
constexpr int kIdlePerFrame = 3;    // calls of uiIdle for each picture: about 20 a second

const Color kPaper(28, 30, 34), kWell(18, 19, 22), kInk(226, 228, 232), kFaint(126, 130, 138);
const Color kAccent(92, 190, 160), kPending(196, 164, 84), kRed(214, 92, 84), kRaised(52, 55, 62);

} // namespace

class BandmateEditor : public UI {
public:
    BandmateEditor()
        : UI(DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT),
          controls_(bandmate::controls(kVariant)) {
        loadSharedResources();
    }

protected:
    void parameterChanged(uint32_t, float) override { repaint(); }
    void stateChanged(const char*, const char*) override {}

    void uiIdle() override {
        if (++idle_ % kIdlePerFrame == 0) repaint();
    }

    void onNanoDisplay() override {
        scale_ = float(getWidth()) / DISTRHO_UI_DEFAULT_WIDTH;
        scale(scale_, scale_);
        fontFace(NANOVG_DEJAVU_SANS_TTF);
        fillBox({0, 0, DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT}, kPaper, 0);
        write(12, 23, 17, kInk, ALIGN_LEFT, DISTRHO_PLUGIN_NAME);
        const bandmate::View view = core().view();
        drawWave(view);
        drawProgress(view);
        for (const Control& control : controls_)
            draw(control);
    }

    bool onMouse(const MouseEvent& event) override {
        if (event.button != 1) return false;
        if (!event.press) return release();
        const double x = event.pos.getX() / double(scale_), y = event.pos.getY() / double(scale_);
        for (const Control& control : controls_)
            if (control.box.holds(x, y)) return press(control, x, y);
        return false;
    }

    bool onMotion(const MotionEvent& event) override {
        if (held_ == nullptr) return false;
        drag(*held_, event.pos.getX() / double(scale_), event.pos.getY() / double(scale_));
        return true;
    }

    bool onScroll(const ScrollEvent& event) override {
        const double x = event.pos.getX() / double(scale_), y = event.pos.getY() / double(scale_);
        for (const Control& control : controls_) {
            if (control.look == Look::Button || !control.box.holds(x, y)) continue;
            step(control, event.delta.getY() > 0 ? 1 : -1);
            return true;
        }
        return false;
    }

private:
    const bandmate::PluginCore& core() const {
        return static_cast<BandmatePlugin*>(getPluginInstancePointer())->core();
    }
    const bandmate::Parameter& row(const Control& control) const {
        return bandmate::parameters(kVariant)[bandmate::rowOf(kVariant, control.id)];
    }
    float value(const Control& control) const { return core().parameter(control.id); }

    void change(const Control& control, float wanted) {
        const auto index = uint32_t(bandmate::rowOf(kVariant, control.id));
        const auto& about = row(control);
        setParameterValue(index, std::clamp(wanted, about.low, about.high));
        repaint();
    }

    void edit(const Control& control, bool begin) {
        editParameter(uint32_t(bandmate::rowOf(kVariant, control.id)), begin);
    }

    bool press(const Control& control, double x, double y) {
        held_ = &control;
        edit(control, true);
        switch (control.look) {
        case Look::Button:
            change(control, value(control) > 0.5f && !isTrigger(control) ? 0 : 1);
            break;
        case Look::Choice:
            step(control, 1);
            break;
        case Look::Stepper:
            step(control, x > double(control.box.x + control.box.w / 2) ? 1 : -1);
            break;
        case Look::Fader:
        case Look::Slider:
            drag(control, x, y);
            break;
        }
        return true;
    }

    bool release() {
        if (held_ == nullptr) return false;
        edit(*held_, false);
        held_ = nullptr;
        return true;
    }

    bool isTrigger(const Control& control) const {
        return row(control).kind == bandmate::Kind::Trigger;
    }

    void drag(const Control& control, double x, double y) {
        const Box& box = control.box;
        double part;
        if (control.look == Look::Fader)
            part = 1 - (y - double(box.y)) / double(box.h);
        else if (control.look == Look::Slider)
            part = (x - double(box.x)) / double(box.w);
        else
            return;
        const auto& about = row(control);
        float wanted = about.low + float(std::clamp(part, 0.0, 1.0)) * (about.high - about.low);
        if (control.look == Look::Fader && std::fabs(wanted) < 0.7f) wanted = 0; // unity is found
        change(control, wanted);
    }

    void step(const Control& control, int direction) {
        const auto& about = row(control);
        const float range = about.high - about.low;
        const bool whole = about.kind == bandmate::Kind::Whole || !about.labels.empty();
        float wanted = value(control) + float(direction) * (whole ? 1 : range * float(kWheelStep));
        if (control.look == Look::Choice && wanted > about.high) wanted = about.low;
        change(control, wanted);
    }

    void drawWave(const bandmate::View& view) {
        const Box& box = bandmate::kWave;
        fillBox(box, kWell, 4);
        if (view.passages.empty())
            return write(box.x + box.w / 2, box.y + box.h / 2, 13, kFaint, ALIGN_CENTER,
                         "Capture, let the passage play once, stop");
        const int64_t from = view.passages.front().start;
        const auto& last = view.passages.back();
        const double pixels = double(box.w) / double(last.start + last.frames - from);
        for (const auto& passage : view.passages) {
            const float x = box.x + float(double(passage.start - from) * pixels);
            drawPeaks({x, box.y, float(double(passage.frames) * pixels), box.h}, passage);
        }
        const double at = double(core().playhead() - from) * pixels;
        if (at >= 0 && at < double(box.w))
            fillBox({box.x + float(at), box.y, 1.5f, box.h}, kInk, 0);
    }

    void drawPeaks(const Box& box, const bandmate::View::Range& passage) {
        beginPath();
        const float middle = box.y + box.h / 2;
        const std::size_t count = std::max<std::size_t>(1, passage.peaks.size());
        for (std::size_t i = 0; i < count; ++i) {
            const float peak = passage.peaks.empty() ? 0 : std::min(1.0f, passage.peaks[i]);
            const float high = std::max(1.0f, peak * box.h * 0.48f), w = box.w / float(count);
            rect(box.x + w * float(i), middle - high, std::max(0.8f, w), 2 * high);
        }
        fillColor(passage.ready ? kAccent : kPending);
        fill();
    }

    void drawProgress(const bandmate::View& view) {
        const Box& bar = bandmate::kProgressBar;
        fillBox(bar, kWell, 3);
        fillBox({bar.x, bar.y, bar.w * float(view.progress), bar.h}, kAccent, 3);
        const bool wrong = view.problem.status > bandmate::Status::Ready;
        const auto label = bandmate::statusLabels()[std::size_t(view.problem.status)];
        std::string line = label;
        if (!view.problem.text.empty() && view.problem.text != line)
            line += ": " + view.problem.text;
        const Box& box = bandmate::kMessage;
        fontSize(13);
        fillColor(wrong ? kRed : kInk);
        textAlign(ALIGN_LEFT | ALIGN_TOP);
        textBox(box.x, box.y, box.w, line.c_str());
    }

    void draw(const Control& control) {
        const Box& box = control.box;
        const float now = value(control);
        const std::string text = bandmate::shown(row(control), now);
        if (control.look == Look::Button) {
            const bool alarming = control.id == bandmate::kCapture;
            fillBox(box, now > 0.5f ? alarming ? kRed : kAccent : kRaised, 4);
            return write(box.x + box.w / 2, box.y + box.h / 2, 13, kInk, ALIGN_CENTER,
                         control.label);
        }
        fillBox(box, kWell, 4);
        const float part = (now - row(control).low) / (row(control).high - row(control).low);
        if (control.look == Look::Fader) return drawFader(control, part, text);
        write(box.x, box.y - 9, 12, kFaint, ALIGN_LEFT, control.label);
        if (control.look == Look::Slider) fillBox({box.x, box.y, box.w * part, box.h}, kAccent, 4);
        if (control.look == Look::Stepper) {
            write(box.x + 12, box.y + box.h / 2, 15, kFaint, ALIGN_CENTER, "-");
            write(box.x + box.w - 12, box.y + box.h / 2, 15, kFaint, ALIGN_CENTER, "+");
        }
        write(box.x + box.w / 2, box.y + box.h / 2, 13, kInk, ALIGN_CENTER, text);
    }

    void drawFader(const Control& control, float part, const std::string& text) {
        const Box& box = control.box;
        const float unity = box.y + box.h * (1 - 60.0f / 72.0f);
        fillBox({box.x, box.y + box.h * (1 - part), box.w, box.h * part}, kRaised, 4);
        fillBox({box.x, unity, box.w, 1}, kFaint, 0);
        fillBox({box.x - 3, box.y + box.h * (1 - part) - 3, box.w + 6, 6}, kAccent, 3);
        write(box.x, box.y - 12, 13, kInk, ALIGN_LEFT, control.label);
        write(box.x + 38, box.y + 30, 12, kFaint, ALIGN_LEFT, text);
    }

    void fillBox(const Box& box, const Color& color, float radius) {
        beginPath();
        roundedRect(box.x, box.y, std::max(0.0f, box.w), box.h, radius);
        fillColor(color);
        fill();
    }

    void write(float x, float y, float size, const Color& color, int align,
               const std::string& words) {
        fontSize(size);
        fillColor(color);
        textAlign(align | ALIGN_MIDDLE);
        text(x, y, words.c_str(), nullptr);
    }

    std::vector<Control> controls_;
    const Control* held_ = nullptr;
    float scale_ = 1;
    int idle_ = 0;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(BandmateEditor)
};

UI* createUI() { return new BandmateEditor(); }

END_NAMESPACE_DISTRHO
