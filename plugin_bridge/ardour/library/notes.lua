-- Requests that wait for their answer, each as a file <id>.note in the mailbox, so that an answer
-- finds its way after Ardour was closed; and the last results, for "Remove last result".

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local server = assert (loadfile (library .. "server.lua")) (library)

local notes = {}

local base = wire.inbox .. wire.tag ()
local JUST_NOW = 120 -- seconds after which nobody is asked whether a result is wanted once more
local RESULTS = 50 -- that are remembered

-- The note of a job, or nil.
function notes.of (id)
	return wire.value (wire.read (wire.inbox .. id .. ".note"))
end

function notes.keep (note)
	wire.write (wire.inbox .. note.id .. ".note", wire.literal (note))
end

function notes.forget (id)
	os.remove (wire.inbox .. id .. ".note")
end

-- The notes of this session.
function notes.all ()
	local found = {}
	for _, name in ipairs (wire.list (wire.inbox)) do
		local id = name:match ("^(.*)%.note$")
		if id and id:find (wire.tag (), 1, true) == 1 then found[#found + 1] = notes.of (id) end
	end
	return found
end

-- The results that were imported, oldest first.
function notes.results ()
	local found = {}
	for line in (wire.read (base .. ".results") or ""):gmatch ("[^\n]+") do found[#found + 1] = wire.value (line) end
	return found
end

-- The ids of the regions that results have muted.
function notes.muted ()
	local ids = {}
	for _, result in ipairs (notes.results ()) do
		for _, id in ipairs (result.muted) do ids[id] = true end
	end
	return ids
end

function notes.keep_results (results)
	local lines = {}
	for index = math.max (1, #results - RESULTS + 1), #results do lines[#lines + 1] = wire.literal (results[index]) end
	wire.write (base .. ".results", table.concat (lines, "\n") .. "\n")
end

-- Whether a request (see below) is not yet being made, and has not just come back, or the musician
-- wants it once more.
function notes.is_wanted (note)
	note.key = string.format ("%s %d %d %s", note.label, note.position, note.frames, note.choice or "")
	local state
	for _, other in ipairs (notes.all ()) do
		if other.key == note.key and not other.unanswered then state = "is being made" end
	end
	for _, result in ipairs (notes.results ()) do
		local fresh = os.time () - result.time < JUST_NOW and result.once and note.once
		if not state and fresh and result.key == note.key then state = "has just come back" end
	end
	return not state or wire.confirmed (note.label .. " " .. state .. " already. Once more?")
end

-- Send a request, after a note of it for the hook, which waits for the answer.
--   label      what the musician calls it, for messages and the mark above the place
--   position   of the result, in samples; frames: its length
--   fades      of the new regions: "none" where its audio has them already, "soft", or nil
--   source     what it takes the place of (silence.of), or nil
--   once       true if asking twice gives the same
--   skip       a stem that is not wanted as a track, or nil
--   address, types, arguments   as OSC has them, after the request id; h goes out as a double
function notes.request (note)
	if not note.key and not notes.is_wanted (note) then return end
	note.id, note.time = wire.new_id (), os.time ()
	note.types = "s" .. note.types
	table.insert (note.arguments, 1, note.id)
	note.sent = server.is_ready () -- else the hook has it started, and sends
	if wire.command then os.execute ("mkdir -p " .. wire.quoted (wire.inbox)) end
	local list = io.open (base .. ".asked", "ab")
	if not list then
		error ("bandmate's server has never run here (there is no folder " .. wire.inbox .. "). " .. server.by_hand (), 0)
	end
	notes.keep (note)
	list:write (note.id, "\n")
	list:close ()
	if note.sent then wire.send (note.address, note.types, note.arguments) end
end

-- The notes made since the last call.
function notes.new ()
	if not os.rename (base .. ".asked", base .. ".noted") then return {} end
	local found = {}
	for id in io.lines (base .. ".noted") do found[#found + 1] = notes.of (id) end
	os.remove (base .. ".noted")
	return found
end

return notes
