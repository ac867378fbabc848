-- bandmate in REAPER. `bandmate daw install reaper` makes a copy of this file for each action;
-- the file's name says which one: "bandmate - separate selection.lua".
-- ReaScript has no sockets: requests go out by the `bandmate send` command, results come back as
-- files in the server's mailbox, which a deferred function looks into until they are there.

local CONTEXT = 10.24 -- seconds on either side of a selection that the model is given
local BLOCK = 65536 -- samples rendered at a time
local PATIENCE = 15000 -- milliseconds that `bandmate send` may take
local START_PATIENCE = 90000 -- and the start of a server
local SOFT = 0.01 -- seconds of fade at the ends of new parts
local DEFAULT_FADE = 0.011 -- seconds: REAPER's own fade at the ends of items
local MOST_FIELDS = 16 -- of a dialog
local USUAL = { "bass", "drums", "guitar", "piano" } -- stems, as long as no server has said otherwise
local WORDS = { -- what tracks are called, drums first: a bass drum is no bass
	{ "drums", "drum", "kick", "snare", "perc", "beat" }, { "bass", "bass" },
	{ "guitar", "guit", "gtr" }, { "piano", "piano", "keys", "rhodes" },
}

local _, this_file = reaper.get_action_context ()
local folder, action = this_file:match ("^(.*[/\\])bandmate %- (.*)%.lua$")

local function settings ()
	local chunk = folder and loadfile (folder .. "settings.lua")
	local chosen = chunk and chunk () or {}
	local home = os.getenv ("HOME") or os.getenv ("USERPROFILE") or "."
	local data = chosen.data or home .. "/.local/share/bandmate"
	chosen.workdir = chosen.workdir or os.getenv ("BANDMATE_WORKDIR") or data .. "/work"
	chosen.command = chosen.command or "bandmate"
	return chosen
end

local chosen = settings ()
local inbox = chosen.workdir .. "/inbox/"

local function say (text)
	reaper.MB (text, "bandmate", 0)
end

local function read (path)
	local file = io.open (path, "rb")
	if not file then return nil end
	local text = file:read ("a")
	file:close ()
	return text
end

-- Requests ------------------------------------------------------------------------------------

local function project_rate ()
	local fixed = reaper.GetSetProjectInfo (0, "PROJECT_SRATE_USE", 0, false) > 0
	local rate = fixed and reaper.GetSetProjectInfo (0, "PROJECT_SRATE", 0, false)
	if not rate or rate < 1 then
		local known, device = reaper.GetAudioDeviceInfo ("SRATE")
		rate = known and tonumber (device) or 48000
	end
	return math.floor (rate)
end

-- Eight hex digits that stand for this project (FNV-1a of where its audio goes): two projects
-- must not take each other's stems out of the one mailbox.
local function tag ()
	local hash = 2166136261
	for char in (reaper.GetProjectPathEx (0) .. reaper.GetProjectName (0)):gmatch (".") do
		hash = ((hash ~ char:byte ()) * 16777619) & 0xffffffff
	end
	return string.format ("reaper-%08x", hash)
end

local count = 0
local function new_id ()
	count = count + 1
	local moment = (math.floor (reaper.time_precise () * 1e6) + count) % 1000000
	return string.format ("%s-%s-%06d", tag (), os.date ("%Y%m%d-%H%M%S"), moment)
end

local function quoted (text)
	return '"' .. tostring (text):gsub ('(["\\])', "\\%1") .. '"'
end

-- Run `bandmate` with these words and return what it printed.
local function run_command (words, patience)
	local line = { quoted (chosen.command) }
	for _, word in ipairs (words) do line[#line + 1] = quoted (word) end
	local answer = reaper.ExecProcess (table.concat (line, " "), patience)
	local status, text = (answer or ""):match ("^(%-?%d+)\r?\n(.*)$")
	if status ~= "0" then
		error (answer == nil and "bandmate could not be started: is it at " .. chosen.command .. "?"
			or "bandmate " .. words[1] .. " failed:\n" .. (text or answer), 0)
	end
	return text
end

local function send (words)
	local port = (read (chosen.workdir .. "/server.json") or ""):match ('"port":%s*(%d+)')
	table.insert (words, 1, "send")
	if port then table.move ({ "--port", port }, 1, 2, #words + 1, words) end
	return run_command (words, PATIENCE)
end

-- Have a server run that may read this project's audio.
local function ensure_server ()
	run_command ({ "serve", "--ensure", "--workdir", chosen.workdir, "--allow", reaper.GetProjectPathEx (0) }, START_PATIENCE)
end

local waiting = {} -- job -> { label, instead (of a piece), soft }: what it is called, what to do with it

-- Ask for a job whose stems go to `position` (seconds), on tracks named after `track`.
local function request (label, track, position, words, instead, soft)
	local id = new_id ()
	ensure_server ()
	local rest = {
		"--track", track, "--position", math.floor (position * project_rate () + 0.5),
		"--request", id, "--no-wait",
	}
	for _, word in ipairs (rest) do words[#words + 1] = word end
	send (words)
	waiting[id] = { label = label, instead = instead, soft = soft }
end

-- The selection -------------------------------------------------------------------------------

local function name_of (track)
	local _, name = reaper.GetTrackName (track)
	return name
end

-- The selection as pieces { track, item (nil for a range), first, last }, in seconds; a time
-- range counts for every selected track.
local function pieces ()
	local found = {}
	local first, last = reaper.GetSet_LoopTimeRange (false, false, 0, 0, false)
	if first < last then
		for index = 0, reaper.CountSelectedTracks (0) - 1 do
			found[#found + 1] = { track = reaper.GetSelectedTrack (0, index), first = first, last = last }
		end
	else
		for index = 0, reaper.CountSelectedMediaItems (0) - 1 do
			local item = reaper.GetSelectedMediaItem (0, index)
			first = reaper.GetMediaItemInfo_Value (item, "D_POSITION")
			found[#found + 1] = {
				track = reaper.GetMediaItem_Track (item), item = item, first = first,
				last = first + reaper.GetMediaItemInfo_Value (item, "D_LENGTH"),
			}
		end
	end
	if #found == 0 then error ("Select audio items, or a time range and tracks.", 0) end
	for _, piece in ipairs (found) do
		if piece.item and reaper.GetMediaItemInfo_Value (piece.item, "B_MUTE") == 1 then
			error ("An item on " .. name_of (piece.track) .. " is muted: let it sound first.", 0)
		end
	end
	return found
end

-- The file of an item that plays it as it is, and where it starts in it; else nil.
local function plain_file (item)
	local take = reaper.GetActiveTake (item)
	if not take then return nil end
	local source = reaper.GetMediaItemTake_Source (take)
	local kind = reaper.GetMediaSourceType (source)
	local function of_item (name) return reaper.GetMediaItemInfo_Value (item, name) end
	local function of_take (name) return reaper.GetMediaItemTakeInfo_Value (take, name) end
	local plain = (kind == "WAVE" or kind == "FLAC")
		and of_item ("D_VOL") == 1 and of_item ("B_MUTE") == 0 and of_item ("B_LOOPSRC") == 0
		and of_item ("D_FADEINLEN") <= DEFAULT_FADE and of_item ("D_FADEOUTLEN") <= DEFAULT_FADE
		and of_take ("D_VOL") == 1 and of_take ("D_PLAYRATE") == 1 and of_take ("D_PITCH") == 0
		and of_take ("I_CHANMODE") == 0 and of_take ("D_STARTOFFS") >= 0
	if not plain then return nil end
	return reaper.GetMediaSourceFileName (source), of_take ("D_STARTOFFS")
end

-- Write what a track plays before its effects, and return the file.
local function render (track, first, last)
	local rate, channels = project_rate (), 2
	local frames = math.floor ((last - first) * rate + 0.5)
	local place = reaper.GetProjectPathEx (0) .. "/bandmate"
	reaper.RecursiveCreateDirectory (place, 0)
	local path = place .. "/" .. new_id () .. ".wav"
	local file = assert (io.open (path, "wb"))
	local size = frames * channels * 4
	file:write ("RIFF", string.pack ("<I4", 50 + size), "WAVEfmt ",
		string.pack ("<I4I2I2I4I4I2I2I2", 18, 3, channels, rate, rate * channels * 4, channels * 4, 32, 0),
		"fact", string.pack ("<I4I4", 4, frames), "data", string.pack ("<I4", size))
	local accessor = reaper.CreateTrackAudioAccessor (track)
	for at = 0, frames - 1, BLOCK do
		local number = math.min (BLOCK, frames - at)
		local buffer = reaper.new_array (number * channels)
		buffer.clear () -- where nothing plays, nothing is filled in
		reaper.GetAudioAccessorSamples (accessor, rate, channels, first + at / rate, number, buffer)
		local samples = buffer.table ()
		for from = 1, #samples, 120 do
			local to = math.min (from + 119, #samples)
			file:write (string.pack ("<" .. ("f"):rep (to - from + 1), table.unpack (samples, from, to)))
		end
	end
	reaper.DestroyAudioAccessor (accessor)
	file:close ()
	return path
end

-- The options that name a region of a file that begins `around` it.
local function region (from, first, last)
	return "--start", string.format ("%.9f", first - from), "--end", string.format ("%.9f", last - from)
end

-- The pieces' tracks, each once, and the range that covers them all.
local function span (found)
	local tracks, seen, first, last = {}, {}, math.huge, 0
	for _, piece in ipairs (found) do
		if not seen[piece.track] then tracks[#tracks + 1] = piece.track end
		seen[piece.track] = true
		first, last = math.min (first, piece.first), math.max (last, piece.last)
	end
	return tracks, first, last
end

-- Parts of a song -----------------------------------------------------------------------------

-- The stems that a task's model knows, as the server has left them.
local function stems_of (task)
	local known = (read (chosen.workdir .. "/stems.json") or ""):match ('"' .. task .. '":%s*%[(.-)%]')
	local stems = {}
	for stem in (known or ""):gmatch ('"([^"]+)"') do stems[#stems + 1] = stem end
	return #stems > 0 and stems or USUAL
end

-- The stem that a track is, by its name, or "backing".
local function guess (name)
	local own, known = (name:match ("^.* %- (.*)$") or name):lower (), {}
	for _, stem in ipairs (stems_of ("add")) do known[stem] = true end
	for _, words in ipairs (WORDS) do
		for index = 2, #words do
			if known[words[1]] and own:find (words[index], 1, true) then return words[1] end
		end
	end
	for stem in pairs (known) do
		if own:find (stem, 1, true) then return stem end
	end
	return "backing"
end

local function source_of (track)
	return name_of (track):match ("^(.*) %- ") or name_of (track)
end

-- Ask for the fields { caption, value, ... } and a role of each track. Return the answers in
-- their order and the roles, or nil.
local function ask (title, fields, tracks)
	local captions, values = {}, {}
	for index = 1, #fields, 2 do
		captions[#captions + 1] = fields[index]
		values[#values + 1] = fields[index + 1]
	end
	for _, track in ipairs (tracks) do
		captions[#captions + 1] = (name_of (track):gsub (",", " ")) .. " is"
		values[#values + 1] = guess (name_of (track))
	end
	if #captions > MOST_FIELDS then error ("Select fewer tracks: a dialog has room for " .. MOST_FIELDS .. " lines.", 0) end
	local ok, text = reaper.GetUserInputs ("bandmate: " .. title, #captions,
		table.concat (captions, ",") .. ",extrawidth=120,separator=|", table.concat (values, "|"))
	if not ok then return nil end
	local answers, roles = {}, {}
	for value in (text .. "|"):gmatch ("([^|]*)|") do answers[#answers + 1] = value:match ("^%s*(.-)%s*$") end
	for index = 1, #tracks do roles[index] = answers[#fields / 2 + index]:lower () end
	return answers, roles
end

-- Add to the words of a request: the tracks as files by role, the region and the takes. The file of
-- the track that is varied comes first, the others after the option.
local function with_session (words, option, tracks, roles, first, last, takes, varied)
	local from, given = math.max (0, first - CONTEXT), {}
	for index, track in ipairs (tracks) do
		if roles[index] ~= "" then
			local file = roles[index] .. "=" .. render (track, from, last + CONTEXT)
			if track == varied then table.insert (words, 2, file) else given[#given + 1] = file end
		end
	end
	local seed = math.floor (reaper.time_precise () * 1000) % 2147483647
	if #given > 0 then table.insert (given, 1, option) end
	local rest = { region (from, first, last) }
	for _, list in ipairs ({ given, rest, { "--takes", takes, "--seed", seed } }) do
		for _, word in ipairs (list) do words[#words + 1] = word end
	end
	return words
end

local function track_of_role (tracks, roles, wanted)
	for index, role in ipairs (roles) do
		if role == wanted then return tracks[index] end
	end
	return nil
end

-- The track that is to be made again and its stem. Only a single one is chosen unasked.
local function chosen_track (name, tracks, roles)
	for index, track in ipairs (tracks) do
		if name == name_of (track) or name == "" and #tracks == 1 then
			local stems = table.concat (stems_of ("add"), ", ")
			if not (", " .. stems .. ","):find (" " .. roles[index] .. ",", 1, true) then
				error ("Say what " .. name_of (track) .. " is: " .. stems .. ".", 0)
			end
			return track, roles[index]
		end
	end
	error ("Say which of the selected tracks is meant, by its name.", 0)
end

local function only_name (tracks)
	return #tracks == 1 and name_of (tracks[1]) or ""
end

-- Actions -------------------------------------------------------------------------------------

local actions = {}

local function separate (stems)
	for _, piece in ipairs (pieces ()) do
		local file, from = nil, 0
		if piece.item then file, from = plain_file (piece.item) end
		if file then
			from = piece.first - from -- when its file began
		else
			from = math.max (0, piece.first - CONTEXT)
			file = render (piece.track, from, piece.last + CONTEXT)
		end
		local name = name_of (piece.track)
		local words = { "separate", file, region (from, piece.first, piece.last) }
		if stems then table.move ({ "--stems", stems }, 1, 2, #words + 1, words) end
		request ("Separating " .. name, name, piece.first, words, piece)
	end
end

actions["separate selection"] = function () separate () end

actions["separate into"] = function ()
	pieces ()
	local answers = ask ("Separate", { "Stems (the rest is one track)", table.concat (stems_of ("separate"), " ") }, {})
	if answers then separate ((answers[1]:lower ():gsub ("[%s,]+", ","))) end
end

actions["add part"] = function ()
	local tracks, first, last = span (pieces ())
	local answers, roles = ask ("Add part", { "New parts", "guitar", "Takes", "1", "Strength if it is there", "0.5" }, tracks)
	if not answers then return end
	local new = { "add" }
	for stem in answers[1]:lower ():gmatch ("[%w_-]+") do
		local present = track_of_role (tracks, roles, stem)
		if present then
			request ("A new take of " .. name_of (present), source_of (present), first,
				with_session ({ "vary", "--strength", answers[3] }, "--to", tracks, roles, first, last, answers[2], present),
				{ track = present, first = first, last = last }, true)
		else
			new[#new + 1] = stem
		end
	end
	if #new > 1 then
		request ("Adding " .. answers[1], name_of (tracks[1]), first,
			with_session (new, "--to", tracks, roles, first, last, answers[2]), nil, true)
	end
end

actions["fill selection"] = function ()
	local tracks, first, last = span (pieces ())
	local answers, roles = ask ("Fill selection", { "Track to fill", only_name (tracks), "Takes", "1" }, tracks)
	if not answers then return end
	local target, stem = chosen_track (answers[1], tracks, roles)
	request ("Filling " .. name_of (target), source_of (target), first,
		with_session ({ "fill", stem }, "--in", tracks, roles, first, last, answers[2]),
		{ track = target, first = first, last = last }, true)
end

actions["new take"] = function ()
	local tracks, first, last = span (pieces ())
	local fields = { "Track to make again", only_name (tracks), "Strength (0 to 1)", "0.5", "Takes", "1" }
	local answers, roles = ask ("New take", fields, tracks)
	if not answers then return end
	local target = chosen_track (answers[1], tracks, roles)
	request ("A new take of " .. name_of (target), source_of (target), first,
		with_session ({ "vary", "--strength", answers[2] }, "--to", tracks, roles, first, last, answers[3], target),
		{ track = target, first = first, last = last }, true)
end

actions["jobs"] = function ()
	local running = {}
	for line in send ({ "status" }):gmatch ("[^\r\n]+") do
		local job = line:match ("(" .. tag ():gsub ("%-", "%%-") .. "%S+)")
		if job and (line:find ("queued") or line:find ("running")) then running[#running + 1] = { job, line } end
	end
	if #running == 0 then
		say ("Nothing is being made for this project.")
		return
	end
	for _, job in ipairs (running) do
		if reaper.MB (job[2] .. "\n\nCancel it?", "bandmate", 4) == 6 then send ({ "cancel", job[1] }) end
	end
end

-- The mailbox ---------------------------------------------------------------------------------

-- Where a new track of this name belongs: below an earlier take of the same stem, else below
-- another stem of the same source, else below the source. The index that it gets.
local function place_for (name)
	local source = name:match ("^(.*) %- ") or name
	local stem = name:gsub (" %(take %d+%)$", "")
	local tracks = reaper.CountTracks (0)
	for _, beginning in ipairs ({ stem, source .. " - " }) do
		for index = tracks - 1, 0, -1 do
			if name_of (reaper.GetTrack (0, index)):sub (1, #beginning) == beginning then return index + 1 end
		end
	end
	for index = 0, tracks - 1 do
		if name_of (reaper.GetTrack (0, index)) == source then return index + 1 end
	end
	return tracks
end

-- Copy a stem, which the server removes, to the project's own audio, under its track's name.
local function own_copy (name, path)
	local place = reaper.GetProjectPathEx (0) .. "/bandmate/"
	reaper.RecursiveCreateDirectory (place, 0)
	local own, number = name:gsub ('[/\\:*?"<>|%c]', "-"), 1
	local copy = place .. own .. ".wav"
	while read (copy) do
		number = number + 1
		copy = place .. own .. " " .. number .. ".wav"
	end
	local from, to = io.open (path, "rb"), assert (io.open (copy, "wb"))
	if not from then error ("There is no file " .. path, 0) end
	for block in function () return from:read (BLOCK) end do assert (to:write (block)) end
	from:close ()
	assert (to:close ())
	return copy
end

-- Cut the items of a piece where it begins and ends, and mute what is inside.
local function mute (piece)
	for index = reaper.CountTrackMediaItems (piece.track) - 1, 0, -1 do
		local item = reaper.GetTrackMediaItem (piece.track, index)
		if not piece.item or item == piece.item then
			local from = reaper.GetMediaItemInfo_Value (item, "D_POSITION")
			local to = from + reaper.GetMediaItemInfo_Value (item, "D_LENGTH")
			if from < piece.last and to > piece.first then
				if to > piece.last then reaper.SplitMediaItem (item, piece.last) end
				if from < piece.first then item = reaper.SplitMediaItem (item, piece.first) end
				reaper.SetMediaItemInfo_Value (item, "B_MUTE", 1)
			end
		end
	end
end

local function import_row (name, position, path, soft)
	path = own_copy (name, path)
	local source = reaper.PCM_Source_CreateFromFile (path)
	if not source then error ("REAPER cannot read " .. path, 0) end
	local index = place_for (name)
	reaper.InsertTrackAtIndex (index, true)
	local track = reaper.GetTrack (0, index)
	reaper.GetSetMediaTrackInfo_String (track, "P_NAME", name, true)
	local item = reaper.AddMediaItemToTrack (track)
	local take = reaper.AddTakeToMediaItem (item)
	reaper.SetMediaItemTake_Source (take, source)
	reaper.GetSetMediaItemTakeInfo_String (take, "P_NAME", name, true)
	reaper.SetMediaItemInfo_Value (item, "D_POSITION", position / project_rate ())
	reaper.SetMediaItemInfo_Value (item, "D_LENGTH", (reaper.GetMediaSourceLength (source)))
	if soft then
		reaper.SetMediaItemInfo_Value (item, "D_FADEINLEN", SOFT)
		reaper.SetMediaItemInfo_Value (item, "D_FADEOUTLEN", SOFT)
	end
	local later = (tonumber (name:match ("%(take (%d+)%)$")) or 1) > 1 -- of several takes the first sounds
	if later then reaper.SetMediaItemInfo_Value (item, "B_MUTE", 1) end
	reaper.PCM_Source_BuildPeaks (source, 0)
end

local function answer (id, kind, text)
	local file = assert (io.open (inbox .. id .. ".answer", "wb"))
	file:write (text, "\n")
	file:close ()
	os.rename (inbox .. id .. ".answer", inbox .. id .. kind)
	os.remove (inbox .. id .. ".claimed")
end

-- Import a claimed job and answer for it.
local function import (id, job)
	reaper.Undo_BeginBlock ()
	reaper.PreventUIRefresh (1)
	local ok, problem = pcall (function ()
		for line in io.lines (inbox .. id .. ".claimed") do
			local name, position, path = line:match ("^([^\t]*)\t(%d+)\t(.+)$")
			if not name then error ("this line of the mailbox makes no sense: " .. line, 0) end
			import_row (name, tonumber (position), path, job.soft)
		end
		if job.instead then mute (job.instead) end
	end)
	reaper.PreventUIRefresh (-1)
	reaper.Undo_EndBlock ("bandmate: " .. job.label, -1)
	reaper.UpdateArrange ()
	answer (id, ok and ".imported" or ".error", ok and "imported" or tostring (problem))
	if not ok then say (job.label .. ": the stems could not be imported.\n" .. tostring (problem)) end
end

-- What was left by requests of this project whose script has ended.
local function adopt ()
	local index, name = 0, reaper.EnumerateFiles (inbox, 0)
	while name do
		local id = name:match ("^(.*)%.tsv$")
		if id and id:find (tag (), 1, true) == 1 and not waiting[id] then waiting[id] = { label = id } end
		index = index + 1
		name = reaper.EnumerateFiles (inbox, index)
	end
end

-- Look for answers; called until there is none to wait for.
local function step ()
	for id, job in pairs (waiting) do
		local failure = read (inbox .. id .. ".failed")
		if os.rename (inbox .. id .. ".tsv", inbox .. id .. ".claimed") then
			waiting[id] = nil
			import (id, job)
		elseif failure then
			waiting[id] = nil
			os.remove (inbox .. id .. ".failed")
			local reason = failure:match ("^[^\t]*\t[^\t]*\t([^\n]*)") or failure
			if not reason:find ("^cancel") then say (job.label .. ":\n" .. reason) end
		end
	end
	if next (waiting) then reaper.defer (step) end
end

local run = actions[action]
if run then
	local ok, problem = pcall (run)
	if not ok then say (tostring (problem)) end
	adopt ()
	step ()
else
	say ("Install this script with `bandmate daw install reaper`: it does what its file name says.")
end
