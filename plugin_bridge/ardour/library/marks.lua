-- What is going on, as marks in the Location Markers ruler above the audio concerned. They take no
-- focus, leave no step in the undo history, and go away by themselves.

local marks = {}

local OURS = "bandmate: "

local function names ()
	local found = {}
	for location in Session:locations ():list ():iter () do found[location:name ()] = true end
	return found
end

-- A mark is made by an undoable command: it is called off at once, which leaves the mark alone.
local function add (position, text)
	local known = names ()
	Session:begin_reversible_command ("bandmate")
	Editor:add_location_mark (Temporal.timepos_t (position), ARDOUR.LocationFlags.IsMark, 0)
	Session:abort_reversible_command ()
	for location in Session:locations ():list ():iter () do
		local new = location:start ():samples () == position and not known[location:name ()]
		if new then location:set_name (text) end
	end
end

-- Show just these: { { position (samples), words }, ... }. Marks that are there are renamed; those
-- of an earlier run, or that an undo brought back, are removed.
function marks.show (wanted)
	local texts, old = {}, {}
	for _, one in ipairs (wanted) do
		local before = texts[one.position]
		texts[one.position] = before and before .. "; " .. one.words or OURS .. one.words
	end
	for location in Session:locations ():list ():iter () do
		if location:is_mark () and location:name ():sub (1, #OURS) == OURS then old[#old + 1] = location end
	end
	for _, location in ipairs (old) do
		local at = location:start ():samples ()
		local text = texts[at]
		if not text then
			Session:locations ():remove (location)
		elseif location:name () ~= text then
			location:set_name (text)
		end
		texts[at] = nil
	end
	if Session:collected_undo_commands () then return end -- an edit is under way; at the next call
	for position, text in pairs (texts) do add (position, text) end
end

return marks
