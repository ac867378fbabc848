// DPF's part of the editor.
#include "DistrhoUIMain.cpp"
